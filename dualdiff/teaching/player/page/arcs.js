// The graph at the left of the table: an arc from every operand to the step that uses it.

const SVG = "http://www.w3.org/2000/svg";

/** Draw the arcs of a run; `classOf(from, to)` says which are lit. */
function drawArcs(svg, scroll, run, rowOf, classOf) {
  const width = svg.getBoundingClientRect().width - 4;
  const box = scroll.getBoundingClientRect();
  const top = (element) => element.getBoundingClientRect().top - box.top + scroll.scrollTop;
  svg.setAttribute("height", scroll.querySelector("table").offsetHeight);
  const rows = new Map();
  const placed = (i) => {
    const row = rowOf(i);
    if (!rows.has(row)) rows.set(row, { y: top(row), height: row.offsetHeight, index: row.rowIndex });
    return rows.get(row);
  };
  const arcs = [];
  run.steps.forEach((step, to) =>
    step.operands.forEach((from, j) => {
      const a = placed(from),
        b = placed(to);
      if (a === b) return;
      const labels = rowOf(to).querySelectorAll(".local");
      const label = labels[Math.min(j, labels.length - 1)];
      // An arc leaves a row below the arcs that arrive there, and arrives at its local derivative.
      const y = label ? top(label) + label.offsetHeight / 2 : b.y + b.height / 2;
      arcs.push({ from, to, y0: a.y + a.height - 5, y1: y, span: b.index - a.index });
    }),
  );
  const longest = Math.max(4, ...arcs.map((arc) => arc.span));
  const make = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
  };
  svg.replaceChildren();
  // What is lit lies on top.
  const rank = { "": 0, path: 1, forward: 2, backward: 2 };
  for (const arc of arcs) arc.style = classOf(arc.from, arc.to);
  arcs.sort((a, b) => rank[a.style] - rank[b.style]);
  for (const { from, to, y0, y1, span, style } of arcs) {
    const group = document.createElementNS(SVG, "g");
    group.setAttribute("class", style);
    group.dataset.arc = `${from}-${to}`;
    // A cubic reaches three quarters of the way to its handles.
    const reach = Math.max(12, (width - 6) * Math.sqrt(span / longest)) / 0.75;
    const left = width - reach;
    make("path", { d: `M${width - 2},${y0} C${left},${y0} ${left},${y1} ${width - 5},${y1}` }, group);
    const tip = style === "backward" ? y0 : y1;
    make("polygon", { points: `${width - 6},${tip - 3.5} ${width + 1},${tip} ${width - 6},${tip + 3.5}` }, group);
    if (style !== "backward") make("circle", { cx: width - 2, cy: y0, r: 1.8 }, group);
    svg.append(group);
  }
}

/** A Jacobian as a picture: blue is positive, orange negative, white zero; darker is larger. */
function picture({ rows, largest }, room, label) {
  const canvas = document.createElement("canvas");
  canvas.width = rows[0].length;
  canvas.height = rows.length;
  // A long row is drawn twice as long, or it could not be seen.
  const width = canvas.width > 2 * canvas.height ? 2 * room : room;
  const scale = Math.max(1, Math.min(Math.floor(width / Math.max(canvas.width, canvas.height)), 24));
  const fits = Math.min(1, width / (scale * Math.max(canvas.width, canvas.height)));
  canvas.style.width = `${Math.max(6, canvas.width * scale * fits)}px`;
  canvas.style.height = `${Math.max(6, canvas.height * scale * fits)}px`;
  canvas.setAttribute("role", "img");
  const size = `${rows.length} by ${rows[0].length}`;
  canvas.setAttribute("aria-label", `${label}, ${size}, largest entry ${shown(largest, 3)}`);
  const context = canvas.getContext("2d");
  rows.forEach((row, y) =>
    [...row].forEach((letter, x) => {
      const level = (letter.charCodeAt(0) - 109) / 12; // "m" is zero
      const [r, g, b] = level > 0 ? [5, 80, 174] : [194, 65, 12];
      const strength = level === 0 ? 0 : 0.25 + 0.75 * Math.abs(level);
      const mixed = [r, g, b].map((c) => Math.round(255 + (c - 255) * strength));
      context.fillStyle = `rgb(${mixed})`;
      context.fillRect(x, y, 1, 1);
    }),
  );
  return canvas;
}

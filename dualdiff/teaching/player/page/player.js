// The page: what the reader does, and what is shown of it.

const $ = (id) => document.getElementById(id);
/** More rows than these are folded, in groups of this many. */
const MANY = 72,
  GROUP = 20;
/** A step shows at most this many local derivatives. */
const FEW = 4;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const runs = lesson.runs.map((data) => new Run(data));
const page = {
  index: lesson.slide ? lesson.slide.start : 0,
  position: 0,
  direction: 0,
  checkpoints: 0,
  chosen: null,
  timer: null,
  exercise: null,
  focus: null,
  opened: new Set([0]),
  rows: [],
  built: "",
};
let run = runs[page.index];
let events = timeline(run);

// -- what is shown --

function render() {
  const event = events[page.position];
  const state = page.exercise ? null : stateAt(run, events, page.position);
  build(event);
  renderRows(event, state);
  renderSource(event);
  renderTime(event);
  renderDetail();
  if (page.exercise) renderScore();
  else say(sentence(run, events, page.position, state, page.direction), event.kind);
  renderArcs(event);
}

function say(words, kind) {
  if ($("sentence").textContent !== words) $("sentence").textContent = words;
  $("sentence").className = kind;
}

/** The group of a step, if the steps are folded; inputs are never folded. */
const groupOf = (i) => (run.steps.length > MANY && !run.isInput(i) ? Math.floor((i - run.inputs) / GROUP) : null);

/** Make the rows, when the program or what is folded differs from what is there. */
function build(event) {
  const current = event.step === null || event.step === undefined ? null : groupOf(event.step);
  const isOpen = (group) => group === null || page.exercise || page.opened.has(group) || group === current;
  const wanted = `${run.way}:${run.steps.map((_, i) => (isOpen(groupOf(i)) ? 1 : 0)).join("")}`;
  if (page.built === wanted) return;
  page.built = wanted;
  const body = $("rows");
  body.replaceChildren();
  page.rows = [];
  let last = null;
  run.steps.forEach((step, i) => {
    const group = groupOf(i);
    if (group !== null && group !== last) body.append(foldRow(group, isOpen(group)));
    last = group;
    if (isOpen(group)) body.append(stepRow(step, i));
    page.rows[i] = body.lastElementChild;
  });
}

function foldRow(group, isOpen) {
  const first = run.inputs + group * GROUP,
    end = Math.min(first + GROUP, run.steps.length) - 1;
  const button = make(
    "button",
    { type: "button", "aria-expanded": String(isOpen) },
    `${isOpen ? "▾" : "▸"} ${run.name(first)} to ${run.name(end)}, ${end - first + 1} steps`,
  );
  button.addEventListener("click", () => {
    if (!page.opened.delete(group)) page.opened.add(group);
    render();
  });
  return make("tr", { class: "fold" }, make("td", { colspan: 6 }, button));
}

function stepRow(step, i) {
  const row = make(
    "tr",
    { "data-step": i, class: i === run.result ? "result" : null },
    make("td", { class: "locals" }),
    make("th", { scope: "row", "data-result": lesson.short }, step.name),
    make("td", { class: "formula" }, run.isInput(i) ? "input" : step.formula),
    make("td", { class: "figure value" }),
    make("td", { class: "figure tangent" }),
    make("td", { class: "figure adjoint" }),
  );
  row.addEventListener("pointerenter", (e) => e.pointerType === "mouse" && choose(i));
  row.addEventListener("click", (e) => e.target.tagName !== "INPUT" && choose(i));
  return row;
}

function renderRows(event, state) {
  const { exercise } = page;
  const above = page.chosen === null ? new Set() : run.reach(page.chosen, false);
  const below = page.chosen === null ? new Set() : run.reach(page.chosen, true);
  run.steps.forEach((step, i) => {
    const row = page.rows[i];
    if (row.className === "fold") return;
    const isComputed = exercise || state.computed[i];
    renderLocals(row.cells[0], i, isComputed);
    fill(row.cells[3], isComputed ? run.values[i] : null);
    const isForgotten = !exercise && isComputed && page.checkpoints > 0 && !run.isInput(i) && !isKept(event, i);
    row.cells[3].classList.toggle("gone", isForgotten);
    if (exercise) renderPredicted(row, i);
    else {
      fill(row.cells[4], isComputed && run.tangents.length ? run.tangents[page.direction][i] : null);
      const adjoint = state.adjoints[i];
      fill(row.cells[5], adjoint ? (adjoint.shown ?? "…") : null);
      row.cells[5].classList.toggle("coming", Boolean(adjoint) && !adjoint.isFinal);
    }
    const isNow = exercise ? page.focus === i : event.step === i;
    row.className = [
      i === run.result ? "result" : "",
      isNow ? `now ${exercise ? "" : event.kind}` : "",
      page.chosen === i ? "chosen" : above.has(i) ? "above" : below.has(i) ? "below" : "",
    ]
      .join(" ")
      .trim();
    if (isNow) row.setAttribute("aria-current", "step");
    else row.removeAttribute("aria-current");
    if (isNow && !exercise) keepInView($("scroll"), row);
  });
}

/** The words for a figure in a cell: on a narrow page with fewer digits, the fewest beside a power of ten. */
function fitted(figure, wide, narrow) {
  if (figure === "…" || innerWidth >= 480) return figure === "…" ? figure : shown(figure, wide);
  const words = shown(figure, narrow);
  return words.includes("e") && typeof figure === "number" ? shown(figure, 2) : words;
}

/** The figure of a cell, for the eye rounded; whoever needs all digits finds them in data-figure. */
function fill(cell, figure) {
  const words = fitted(figure, 6, 4);
  if (cell.textContent !== words || cell.firstElementChild) cell.textContent = words;
  if (figure === null || typeof figure === "object") delete cell.dataset.figure;
  else cell.dataset.figure = figure;
}

function renderLocals(cell, i, isComputed) {
  // They take up their room from the start, so that no row moves when they appear.
  cell.classList.toggle("coming", !isComputed);
  const key = String(page.index);
  if (cell.dataset.shows === key) return;
  cell.dataset.shows = key;
  cell.replaceChildren();
  const { operands } = run.steps[i];
  operands.slice(0, operands.length > FEW ? FEW - 1 : FEW).forEach((operand, j) => {
    const words = make("span", { class: "hidden" }, `with respect to ${run.name(operand)}: `);
    const drawn = run.pictures[i]?.[j];
    const partial = lesson.runs[page.index].partials[i][j];
    const what = `Jacobian of ${run.name(i)} with respect to ${run.name(operand)}`;
    const shows = drawn ? picture(drawn, 22, what) : partial === null ? "Jacobian" : fitted(partial, 5, 3);
    cell.append(make("span", { class: "local" }, words, shows));
  });
  if (operands.length > FEW) cell.append(make("span", { class: "local" }, `… ${operands.length - FEW + 1} more`));
}

/** Scroll an element of a panel into view, and only that panel: the page may be a frame in another one. */
function keepInView(panel, element) {
  const head = panel.querySelector("thead")?.offsetHeight ?? 0;
  const top = element.offsetTop,
    bottom = top + element.offsetHeight;
  if (top < panel.scrollTop + head) panel.scrollTop = top - head - 8;
  else if (bottom > panel.scrollTop + panel.clientHeight) panel.scrollTop = bottom - panel.clientHeight + 8;
}

function buildSource() {
  lesson.sources.forEach((source, k) => {
    $("source").append(make("h2", {}, k || source.name.includes(" ") ? source.name : "Program"));
    const lines = source.lines.map((line, i) =>
      make("span", { class: "code", "data-line": source.first + i }, line || " "),
    );
    $("source").append(make("pre", { tabindex: 0, "aria-label": `source of ${source.name}` }, ...lines));
  });
}

/** Light the lines of the step, and in them the expression that it evaluates. */
function renderSource(event) {
  const step = page.exercise ? page.focus : event.step;
  const at = step === null || step === undefined ? null : run.steps[step].at;
  document.querySelectorAll("pre").forEach((pre, k) =>
    [...pre.children].forEach((line, i) => {
      const isLit = at !== null && at[0] === k && i >= at[1] && i <= at[3];
      if (!isLit && !line.classList.contains("lit")) return;
      line.classList.toggle("lit", isLit);
      const text = [...(lesson.sources[k].lines[i] || " ")];
      if (!isLit) {
        line.textContent = text.join("");
        return;
      }
      const from = i === at[1] ? at[2] : text.findIndex((c) => c.trim()),
        to = i === at[3] ? at[4] : text.length;
      const part = (a, b) => text.slice(a, b).join("");
      line.replaceChildren(part(0, from), make("mark", {}, part(from, to)), part(to));
      if (i === at[1]) keepInView(pre, line);
    }),
  );
}

function renderTime(event) {
  const isLast = page.position === events.length - 1;
  $("bar").max = events.length - 1;
  $("bar").value = page.position;
  $("bar").className = event.kind;
  const words = { start: "start", forward: "forward", seed: "seed", recompute: "computed again", backward: "backward" };
  const name = event.step === null ? "" : `, ${run.name(event.step)}`;
  $("bar").setAttribute("aria-valuetext", `${words[event.kind]}${name}, ${page.position} of ${events.length - 1}`);
  $("back").disabled = $("start").disabled = page.position === 0;
  $("next").disabled = $("end").disabled = isLast;
  const size = run.steps.length - run.inputs;
  const cells = $("cells");
  if (cells.children.length !== size) cells.replaceChildren(...Array.from({ length: size }, () => make("i")));
  for (let i = 0; i < size; i++) {
    const step = i + run.inputs;
    cells.children[i].className = event.saved.has(step) ? "saved" : isRecorded(event, step) ? "full" : "";
  }
  const { peak, again } = cost(events);
  $("amount").textContent = `${amountKept(event)} of ${size} values kept, at most ${peak}`;
  $("saved").textContent =
    page.checkpoints === 0
      ? "none: everything is kept"
      : `${page.checkpoints}: at most ${peak} kept, ${again} computed again`;
  [...$("costs").children].forEach((column, k) => column.classList.toggle("here", k === page.checkpoints));
}

/** For every number of checkpoints a column: what is kept, above, and what is computed again, below. */
function renderCosts() {
  if ($("costs").dataset.way === String(run.way)) return;
  $("costs").dataset.way = run.way;
  const size = run.steps.length - run.inputs;
  $("checkpoints").max = Math.max(0, Math.min(size - 1, 12));
  const columns = Array.from({ length: Number($("checkpoints").max) + 1 }, (_, k) => {
    const { peak, again } = cost(timeline(run, k));
    const kept = make("i", { class: "kept" }),
      repeated = make("i", { class: "repeated" });
    kept.style.height = `${(14 * peak) / size}px`;
    repeated.style.height = `${(14 * again) / size}px`;
    return make("span", {}, kept, repeated);
  });
  $("costs").replaceChildren(...columns);
}

function renderStrip() {
  const names = { forward: "forward →", backward: "← backward", recompute: "again" };
  const spans = [];
  for (const { kind } of events.slice(1)) {
    const drawn = kind === "seed" ? "backward" : kind;
    if (spans.at(-1)?.kind === drawn) spans.at(-1).size += 1;
    else spans.push({ kind: drawn, size: 1 });
  }
  $("strip").replaceChildren(
    ...spans.map(({ kind, size }) => {
      const span = make("span", { class: kind }, size > 0.12 * events.length ? names[kind] : "");
      span.style.flex = `${size} 1 0`;
      return span;
    }),
  );
}

function renderDetail() {
  const i = page.chosen;
  $("about").textContent = i === null ? "Paths" : `Paths through ${run.name(i)}`;
  const help =
    innerWidth < 760
      ? "Touch a step to see its paths."
      : "Point at a step, or choose one with the up and down arrow keys.";
  const lists = i === null ? [{ heading: help, routes: [] }] : pathLines(run, i, page.exercise !== null);
  $("paths").replaceChildren(
    ...lists.map(({ heading, routes }) =>
      make("li", {}, heading, make("ul", {}, ...routes.map((route) => make("li", {}, route)))),
    ),
  );
  const at = i ?? (page.exercise ? page.focus : events[page.position].step);
  const pictures = run.pictures[at] ?? [];
  $("pictures").replaceChildren(
    ...pictures.flatMap((drawn, j) => {
      if (!drawn) return [];
      const operand = run.name(run.steps[at].operands[j]);
      const words =
        `Jacobian of ${run.name(at)} with respect to ${operand}: ${drawn.rows.length}×${drawn.rows[0].length}, ` +
        `blue positive, orange negative, at most ${shown(drawn.largest, 3)}`;
      return [make("figure", {}, picture(drawn, 132, words), make("figcaption", {}, words))];
    }),
  );
}

function renderArcs(event) {
  const above = page.chosen === null ? new Set() : run.reach(page.chosen, false);
  const below = page.chosen === null ? new Set() : run.reach(page.chosen, true);
  drawArcs(
    $("arcs"),
    $("scroll"),
    run,
    (i) => page.rows[i],
    (from, to) => {
      if (page.exercise) {
        const isAsked = page.exercise.what === "tangents" ? to === page.focus : from === page.focus;
        if (isAsked) return page.exercise.what === "tangents" ? "forward" : "backward";
      } else if (to === event.step) return event.kind === "backward" ? "backward" : "forward";
      return (above.has(from) && above.has(to)) || (below.has(from) && below.has(to)) ? "path" : "";
    },
  );
}

function renderHead() {
  const last = run.result === null ? null : run.values[run.result];
  const at = run.steps.slice(0, run.inputs).map((step, i) => `${step.name} = ${shown(run.values[i], 5)}`);
  $("title").textContent = lesson.name;
  $("answer").textContent = `at ${at.join(", ")}${last === null ? "" : `: ${lesson.short} = ${shown(last)}`}`;
  const wrong = unconfirmed(run);
  const remarks = run.remarks.map((words) => make("li", {}, words));
  if (wrong.length) {
    remarks.push(
      make("li", { class: "warning" }, `The sums of this page do not confirm ${listed(wrong)} of the library.`),
    );
  }
  $("remarks").replaceChildren(...remarks);
}

// -- what the reader does --

function go(position) {
  page.position = Math.max(0, Math.min(position, events.length - 1));
  render();
}

function pause() {
  clearInterval(page.timer);
  page.timer = null;
  $("play").textContent = "Play";
  $("sentence").setAttribute("aria-live", "polite");
}

function play() {
  if (page.timer !== null) return pause();
  if (page.position === events.length - 1) go(0);
  $("play").textContent = "Pause";
  // A screen reader would be cut off at every step; the steps by hand are read.
  $("sentence").setAttribute("aria-live", "off");
  page.timer = setInterval(
    () => {
      go(page.position + 1);
      if (page.position === events.length - 1) pause();
    },
    Number($("speed").value),
  );
  return undefined;
}

function step(by) {
  pause();
  go(page.position + by);
}

function choose(i) {
  if (page.chosen === i) return;
  page.chosen = i;
  render();
}

function chooseNext(by) {
  const visible = run.steps.map((_, i) => i).filter((i) => page.rows[i].className !== "fold");
  const at = page.chosen === null ? (by > 0 ? -1 : visible.length) : visible.indexOf(page.chosen);
  choose(visible[Math.max(0, Math.min(at + by, visible.length - 1))]);
  keepInView($("scroll"), page.rows[page.chosen]);
  $("about").setAttribute("aria-live", "polite");
}

/** The letter of a way through the program, in the order in which the slider meets them. */
const ways = [...new Set(runs.map((r) => r.way))];
const letter = (way) => (ways.length > 26 ? `${ways.indexOf(way) + 1}` : String.fromCharCode(65 + ways.indexOf(way)));

function slideTo(index) {
  pause();
  const before = run;
  const wasAtEnd = page.position === events.length - 1 || page.position === 0;
  page.index = index;
  run = runs[index];
  events = timeline(run, page.checkpoints);
  const value = shown(lesson.slide.values[index], 5);
  $("slid").textContent = `${lesson.slide.name} = ${value}`;
  $("slide").setAttribute(
    "aria-valuetext",
    `${lesson.slide.name} = ${value}${ways.length > 1 ? `, way ${letter(run.way)}` : ""}`,
  );
  [...$("ways").children].forEach((span) => span.classList.toggle("here", Number(span.dataset.way) === run.way));
  // What moves with the slider is seen only where the sweeps have been.
  page.position = wasAtEnd || before.way !== run.way ? events.length - 1 : Math.min(page.position, events.length - 1);
  if (before.way !== run.way) {
    page.chosen = null;
    flipped(before, run);
  }
  if (page.exercise) predict(page.exercise.what);
  refresh();
}

/** Tell that a branch has flipped, and which. */
function flipped(before, after) {
  const changed = after.branches.find(
    ({ comparison, answer }, i) =>
      before.branches[i]?.comparison !== comparison || before.branches[i].answer !== answer,
  );
  const line = changed?.at ? `, line ${lesson.sources[changed.at[0]].first + changed.at[1]}` : "";
  const why = changed ? ` ${changed.comparison} is ${changed.answer ? "true" : "false"} here${line}.` : "";
  $("way").textContent =
    `Another way through the program (way ${letter(after.way)}):${why} ` +
    `${after.steps.length - after.inputs} steps, not ${before.steps.length - before.inputs}.`.replace(
      /^(\d+) steps, not \1\.$/,
      "As many steps, but others.",
    );
}

function refresh() {
  renderStrip();
  renderCosts();
  renderHead();
  const what = page.exercise?.what;
  for (const option of ["tangents", "adjoints"]) {
    $("mode").querySelector(`[value=${option}]`).disabled = !isThere(option);
    // In an exercise the other column would give this one away.
    $("table").classList.toggle(`no-${option}`, !isThere(option) || (what !== undefined && what !== option));
  }
  render();
}

// -- keys and controls --

function onKey(e) {
  if (e.altKey || e.ctrlKey || e.metaKey) return;
  // A slider moves by the arrow keys itself, and leaves the others to the page.
  const isControl =
    e.target.closest("input:not([type=range]), select") ||
    (e.target.type === "range" && e.key !== " " && e.key !== "Escape");
  if (isControl || (e.key === " " && e.target.closest("button, summary"))) return;
  const keys = {
    ArrowDown: () => chooseNext(1),
    ArrowUp: () => chooseNext(-1),
    Escape: () => choose(null),
    ...(page.exercise
      ? {}
      : {
          ArrowRight: () => step(1),
          ArrowLeft: () => step(-1),
          Home: () => step(-page.position),
          End: () => step(events.length),
          " ": play,
        }),
  };
  if (keys[e.key]) {
    e.preventDefault();
    keys[e.key]();
  }
}

function connect() {
  $("start").addEventListener("click", () => step(-page.position));
  $("back").addEventListener("click", () => step(-1));
  $("play").addEventListener("click", play);
  $("next").addEventListener("click", () => step(1));
  $("end").addEventListener("click", () => step(events.length));
  $("bar").addEventListener("input", () => step(Number($("bar").value) - page.position));
  $("speed").addEventListener("change", () => page.timer !== null && (pause(), play()));
  $("mode").addEventListener("change", () => {
    predict($("mode").value);
    refresh();
  });
  $("direction").addEventListener("change", () => {
    page.direction = Number($("direction").value);
    if (page.exercise) predict(page.exercise.what);
    render();
  });
  $("checkpoints").addEventListener("input", () => {
    pause();
    const share = page.position / Math.max(1, events.length - 1);
    page.checkpoints = Number($("checkpoints").value);
    events = timeline(run, page.checkpoints);
    page.position = Math.round(share * (events.length - 1));
    refresh();
  });
  $("slide").addEventListener("input", () => slideTo(Number($("slide").value)));
  $("reveal").addEventListener("click", () => settle(page.focus, page.exercise.reveal(page.focus), true, true));
  $("copy").addEventListener("click", copy);
  $("again").addEventListener("click", () => {
    predict(page.exercise.what);
    refresh();
  });
  $("scroll").addEventListener("pointerleave", (e) => e.pointerType === "mouse" && choose(null));
  document.addEventListener("keydown", onKey);
  addEventListener("resize", () => {
    page.rows.forEach((row) => row.cells[0] && delete row.cells[0].dataset.shows);
    render();
  });
  matchMedia("print").addEventListener("change", render);
  addEventListener("beforeprint", () => {
    run.steps.forEach((_, i) => page.opened.add(groupOf(i) ?? 0));
    if (page.position === 0) page.position = events.length - 1;
    render();
  });
}

function begin() {
  buildSource();
  document.body.dataset.unconfirmed = runs.reduce((n, r) => n + unconfirmed(r).length, 0);
  lesson.directions.forEach((words, k) => $("direction").append(make("option", { value: k }, words)));
  if (lesson.slide) {
    $("slider").hidden = false;
    $("sliding").textContent = lesson.slide.name;
    $("slide").max = runs.length - 1;
    $("slide").value = page.index;
    if (ways.length > 1) {
      $("way").textContent =
        `Dragging ${lesson.slide.name} meets ${ways.length} ways through the program. ` +
        `This is way ${letter(run.way)}.`;
      runs.forEach((r, k) => {
        const before = $("ways").lastElementChild;
        if (before && Number(before.dataset.way) === r.way) before.style.flexGrow = Number(before.style.flexGrow) + 1;
        else {
          const span = make("span", { "data-way": r.way }, letter(r.way));
          span.style.flex = `${k ? 1 : 0.5} 1 0`;
          $("ways").append(span);
        }
      });
    }
    slideTo(page.index);
  }
  connect();
  predict(lesson.predict);
  refresh();
}

begin();

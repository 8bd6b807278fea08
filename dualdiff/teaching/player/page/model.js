// The runs as the library recorded them, and what happens in which order.  Nothing here touches the document.

const lesson = JSON.parse(document.getElementById("lesson").textContent);

/** A real scalar of the data, null for anything else; JSON has no infinities and no NaN, which come as text. */
const scalar = (x) => (typeof x === "number" ? x : typeof x === "string" ? Number(x) : null);

/** The product of a local derivative and a tangent or adjoint; zero stays zero, as in the library. */
const times = (partial, factor) => (partial === null || factor === null ? null : factor === 0 ? 0 : partial * factor);

/** A sum in which one unknown term makes the whole unknown. */
const sum = (terms) => terms.reduce((total, t) => (total === null || t === null ? null : total + t), 0);

/** One run of f.  A step is its index; its `uses` are the later steps on which it has an arc. */
class Run {
  constructor(data) {
    Object.assign(this, data);
    this.way = data.program;
    const { steps, inputs, result, branches } = lesson.programs[data.program];
    Object.assign(this, { steps, inputs, result, branches });
    this.partials = data.partials.map((row) => row.map(scalar));
    this.uses = steps.map(() => []);
    steps.forEach((step, i) => step.operands.forEach((operand, j) => this.uses[operand].push({ step: i, term: j })));
  }

  name(i) {
    return this.steps[i].name;
  }

  isInput(i) {
    return i < this.inputs;
  }

  /** The terms whose sum is the tangent of a step. */
  tangentTerms(i, direction) {
    const tangents = this.tangents[direction];
    return this.steps[i].operands.map((operand, j) => ({
      of: operand,
      partial: this.partials[i][j],
      factor: scalar(tangents[operand]),
      others: this.partials[i].filter((_, k) => k !== j),
    }));
  }

  /** The terms whose sum is the adjoint of a step: what every use of it passes back. */
  adjointTerms(i) {
    return this.uses[i]
      .map(({ step, term }) => ({
        of: step,
        partial: this.partials[step][term],
        factor: scalar(this.adjoints[step]),
        others: this.partials[step].filter((_, k) => k !== term),
      }))
      .reverse();
  }

  /** The steps on which a step depends (itself included), or, upwards, that depend on it. */
  reach(i, forwards) {
    const found = new Set([i]);
    const waiting = [i];
    while (waiting.length) {
      const at = waiting.pop();
      for (const next of forwards ? this.uses[at].map((use) => use.step) : this.steps[at].operands) {
        if (!found.has(next)) {
          found.add(next);
          waiting.push(next);
        }
      }
    }
    return found;
  }

  /** The number of paths between two steps, and the first few of them as lists of steps. */
  paths(from, to, most = 3) {
    const counts = new Map([[from, 1]]);
    for (let i = from + 1; i <= to; i++) {
      const arriving = this.steps[i].operands.reduce((n, operand) => n + (counts.get(operand) ?? 0), 0);
      if (arriving) counts.set(i, arriving);
    }
    const found = [];
    const walk = (i, path) => {
      if (found.length >= most || !counts.has(i)) return;
      if (i === from) found.push([from, ...path]);
      else for (const operand of this.steps[i].operands) walk(operand, [i, ...path]);
    };
    walk(to, []);
    return { count: counts.get(to) ?? 0, found };
  }

  /** The product of the local derivatives along a path, factor by factor. */
  factors(path) {
    return path.slice(1).map((i, k) => this.partials[i][this.steps[i].operands.indexOf(path[k])]);
  }
}

/**
 * The events of a run: forward through the steps, the seed, then backward, each with the tape after it.
 *
 * With checkpoints, the forward sweep stores only what later parts of the program need at a few places; before the
 * backward sweep through a part, its steps are computed again.
 */
function timeline(run, checkpoints = 0) {
  const first = run.inputs,
    last = run.steps.length;
  const parts = Math.max(1, Math.min(checkpoints + 1, last - first));
  const starts = Array.from({ length: parts + 1 }, (_, i) => first + Math.round((i * (last - first)) / parts));
  // What was computed before a place and is used after it.
  const alive = (place) => {
    const stored = [];
    for (let i = first; i < place; i++) if (run.uses[i].some((use) => use.step >= place)) stored.push(i);
    return stored;
  };
  const stores = starts.slice(0, parts).map(alive);
  const saved = stores.map((_, part) => new Set(stores.slice(0, part + 1).flat()));
  const events = [];
  // What is recorded for the backward sweep is one stretch of the program, [from, to), after all that is saved.
  const add = (kind, step, part, to) => events.push({ kind, step, saved: saved[part], from: starts[part], to });
  add("start", null, 0, first);
  for (let part = 0; part < parts; part++) {
    const isLast = part === parts - 1;
    for (let i = starts[part]; i < starts[part + 1]; i++) add("forward", i, part, isLast ? i + 1 : starts[part]);
  }
  if (run.adjoints === null) return events;
  add("seed", run.result, parts - 1, last);
  for (let part = parts - 1; part >= 0; part--) {
    if (part < parts - 1) for (let i = starts[part]; i < starts[part + 1]; i++) add("recompute", i, part, i + 1);
    for (let i = starts[part + 1] - 1; i >= starts[part]; i--) add("backward", i, part, i);
  }
  return events;
}

/** What is on the tape after an event. */
const isRecorded = (event, i) => event.from <= i && i < event.to;
const isKept = (event, i) => isRecorded(event, i) || event.saved.has(i);
const amountKept = (event) => event.saved.size + event.to - event.from;

/** What a way of checkpointing costs. */
function cost(events) {
  return {
    peak: events.reduce((most, event) => Math.max(most, amountKept(event)), 0),
    again: events.filter((event) => event.kind === "recompute").length,
  };
}

/**
 * What is known after an event: which steps have been computed, and the adjoints as they add up.
 *
 * `adjoints[i]` is null before anything has arrived, and otherwise has the figure to show; while more will arrive it is
 * the page's own sum, and then the library's.
 */
function stateAt(run, events, position) {
  const computed = run.steps.map((_, i) => run.isInput(i));
  const adjoints = run.steps.map(() => null);
  const waiting = run.uses.map((uses) => uses.length);
  for (const { kind, step } of events.slice(0, position + 1)) {
    if (kind === "forward") computed[step] = true;
    if (kind === "seed") adjoints[step] = { sum: 1, shown: 1, isFinal: waiting[step] === 0, terms: [] };
    if (kind !== "backward") continue;
    // A step that nothing uses has the adjoint zero.
    adjoints[step] ??= { sum: 0, terms: [] };
    Object.assign(adjoints[step], { shown: run.adjoints[step], isFinal: true });
    run.steps[step].operands.forEach((operand, j) => {
      const term = times(run.partials[step][j], scalar(run.adjoints[step]));
      const before = adjoints[operand];
      waiting[operand] -= 1;
      const total = sum([before ? before.sum : 0, term]);
      const isFinal = waiting[operand] === 0;
      adjoints[operand] = {
        sum: total,
        isFinal,
        shown: isFinal ? run.adjoints[operand] : total,
        terms: [...(before ? before.terms : []), term],
      };
    });
  }
  if (events[position].kind === "backward" && position === events.length - 1) {
    for (let i = 0; i < run.inputs; i++) adjoints[i] ??= { sum: 0, shown: run.adjoints[i], isFinal: true, terms: [] };
  }
  return { computed, adjoints };
}

/** The tangents and adjoints that the page's own sums do not confirm; none, unless something is wrong. */
function unconfirmed(run) {
  const found = [];
  const compare = (what, i, terms, shown) => {
    const products = terms.map(({ partial, factor }) => times(partial, factor));
    const own = sum(products),
      given = scalar(shown);
    if (own === null || given === null || !Number.isFinite(own)) return;
    // Below that, numbers have fewer digits than others.
    const size = Math.max(1e-290, Math.abs(given), ...products.map(Math.abs));
    if (!(Math.abs(own - given) <= lesson.tolerance * size)) found.push(`the ${what} of ${run.name(i)}`);
  };
  for (let i = 0; i < run.steps.length; i++) {
    if (!run.isInput(i)) run.tangents.forEach((column, k) => compare("tangent", i, run.tangentTerms(i, k), column[i]));
    if (run.adjoints !== null && i !== run.result) compare("adjoint", i, run.adjointTerms(i), run.adjoints[i]);
  }
  return found;
}

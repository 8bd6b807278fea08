// Figures and sentences.

/** A figure of the data or of the page, rounded; arrays come with their text. */
function shown(x, digits = 6) {
  if (x === null || x === undefined) return "";
  if (typeof x === "object") return x.text;
  const value = Number(x);
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return String(Number(value.toPrecision(digits)))
    .replace("-", "−")
    .replace("e+", "e")
    .replace("e-", "e−");
}

/** A factor in a product, in brackets if it is negative. */
const factor = (x) => (Number(x) < 0 ? `(${shown(x, 4)})` : shown(x, 4));

const product = (partial, other) => `${shown(partial, 4)} × ${factor(other)}`;

/** Shapes as people write them. */
const shapeOf = (step) => step.shape.join("×");

/** A list in words: "a, b and c". */
const listed = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

/** Terms as products with where they come from: "1 × 0.5 (v1) + 1 × 5 (v2)". */
function written(run, terms) {
  return terms.map(({ partial, factor: f, of }) => `${product(partial, f)} (${run.name(of)})`).join(" + ");
}

/** The arithmetic of an event. */
function sentence(run, events, position, state, direction) {
  const { kind, step } = events[position];
  if (kind === "start") return startSentence(run, direction);
  if (kind === "seed") {
    return (
      "The value is known; now backwards. " +
      `The derivative of ${lesson.short} with respect to ${run.name(step)}, its result, is 1: ` +
      `${run.name(step)} has adjoint 1.`
    );
  }
  if (kind === "recompute") {
    return (
      `${run.name(step)} = ${run.steps[step].formula} is computed again, from the checkpoint before it: its value ` +
      "was not kept on the tape."
    );
  }
  const words = kind === "forward" ? forwardSentence(run, step, direction) : backwardSentence(run, step, state);
  const isLast = position === events.length - 1;
  return words + (isLast && kind === "backward" ? ` ${endSentence(run)}` : "");
}

function startSentence(run, direction) {
  const inputs = run.steps.slice(0, run.inputs).map((step, i) => `${step.name} = ${shown(run.values[i], 4)}`);
  const seeds = run.tangents.length
    ? ` The tangents start as ${listed(
        run.steps.slice(0, run.inputs).map((step, i) => `${shown(run.tangents[direction][i], 4)} for ${step.name}`),
      )}.`
    : "";
  return `The inputs: ${inputs.join(", ")}.${seeds} Press Play, or the right arrow key, for the first step.`;
}

function forwardSentence(run, step, direction) {
  const { name, formula, shape } = run.steps[step];
  let words = `${name} = ${formula} = ${shown(run.values[step])}.`;
  if (!run.tangents.length) return words;
  const terms = run.tangentTerms(step, direction);
  const tangent = run.tangents[direction][step];
  if (terms.some((t) => t.partial === null || t.factor === null)) {
    const which = shape.length ? `an array of shape ${shapeOf(run.steps[step])}` : "a scalar";
    return (
      `${words} Its tangent, ${which}, is the local Jacobian applied to the tangent of ` +
      `${listed(terms.map((t) => run.name(t.of)))}: ${shown(tangent)}.`
    );
  }
  words += ` Its tangent is ${terms.length ? written(run, terms) : "0, for it depends on no input"}`;
  return `${words}${terms.length ? ` = ${shown(tangent, 5)}` : ""}.`;
}

function backwardSentence(run, step, state) {
  const { name, operands } = run.steps[step];
  const adjoint = run.adjoints[step];
  const terms = operands.map((operand, j) => ({ operand, partial: run.partials[step][j] }));
  if (scalar(adjoint) === 0)
    return `${name} has adjoint 0, so it passes 0 to ${listed(operands.map((o) => run.name(o)))}.`;
  if (terms.some((t) => t.partial === null) || scalar(adjoint) === null) {
    return (
      `${name} has the adjoint ${shown(adjoint)} and passes it, times the transposed local Jacobian, to ` +
      `${listed(operands.map((o) => run.name(o)))}.`
    );
  }
  const passed = terms.map(
    ({ operand, partial }) =>
      `${product(partial, adjoint)} = ${shown(times(partial, Number(adjoint)), 4)} to ${run.name(operand)}`,
  );
  const added = operands.flatMap((operand) => {
    const { sum: total, terms: arrived } = state.adjoints[operand];
    if (arrived.length < 2 || total === null) return [];
    const parts = arrived.map((t, k) => (k ? factor(t) : shown(t, 4)));
    return [`${run.name(operand)} now has ${parts.join(" + ")} = ${shown(total, 5)}.`];
  });
  return `${name} has adjoint ${shown(adjoint, 5)} and passes ${listed(passed)}. ${added.join(" ")}`.trim();
}

function endSentence(run) {
  const parts = run.steps
    .slice(0, run.inputs)
    .map((step, i) => `∂${lesson.short}/∂${step.name} = ${shown(run.adjoints[i])}`);
  return `Done: ${parts.join(", ")}.`;
}

/** How a step is connected with an input and with the result: lists of a heading, and a line for each path. */
function pathLines(run, step, hidesProducts) {
  const between = (from, to, words) => {
    const { count, found } = run.paths(from, to);
    if (!count || from === to) return [];
    const routes = found.map((path) => {
      const factors = run.factors(path);
      const names = path.map((i) => run.name(i)).join(" → ");
      return factors.includes(null) || hidesProducts ? names : `${names}: ${factors.map(factor).join(" × ")}`;
    });
    const more = count > found.length ? [`… and ${shown(count - found.length)} more`] : [];
    return [{ heading: `${shown(count)} path${count > 1 ? "s" : ""} ${words}`, routes: [...routes, ...more] }];
  };
  const inputs = Array.from({ length: run.inputs }, (_, i) => i);
  const lines = inputs.flatMap((i) => between(i, step, `from ${run.name(i)}`));
  return run.result === null ? lines : [...lines, ...between(step, run.result, `to ${lesson.short}`)];
}

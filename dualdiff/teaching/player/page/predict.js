// "Let me predict": which figures are asked, whether an answer is right, and what a wrong one has in common with the
// usual slips.

/** An answer counts as right within one per cent. */
const isNear = (a, b) => Math.abs(a - b) <= (b === 0 ? 0.005 : 0.01 * Math.abs(b));

/** The number that an answer means; products, quotients, sums and brackets may be left to the page.  NaN if unclear. */
function evaluated(text) {
  const tokens =
    text
      .replace(/[−–]/g, "-")
      .replace(/[×·]/g, "*")
      .replace(/÷/g, "/")
      .replace(/,/g, ".")
      .match(/\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|[-+*/()]|\S/gi) ?? [];
  let at = 0;
  const atom = () => {
    const token = tokens[at++];
    if (token === "-") return -atom();
    if (token === "+") return atom();
    if (token === "(") {
      const inner = total();
      return tokens[at++] === ")" ? inner : NaN;
    }
    return /^[\d.]/.test(token ?? "") ? Number(token) : NaN;
  };
  const term = () => {
    let value = atom();
    while (tokens[at] === "*" || tokens[at] === "/") value = tokens[at++] === "*" ? value * atom() : value / atom();
    return value;
  };
  const total = () => {
    let value = term();
    while (tokens[at] === "+" || tokens[at] === "-") value = tokens[at++] === "+" ? value + term() : value - term();
    return value;
  };
  const value = total();
  return at === tokens.length ? value : NaN;
}

/** The steps whose tangent (or adjoint) the reader can work out: real scalars with known terms. */
function asked(run, what, direction) {
  const steps = run.steps.map((_, i) => i);
  const isKnown = (terms) => terms.every((t) => t.partial !== null && t.factor !== null);
  if (what === "tangents") {
    return steps.filter(
      (i) =>
        !run.isInput(i) &&
        scalar(run.tangents[direction][i]) !== null &&
        Number.isFinite(scalar(run.tangents[direction][i])) &&
        isKnown(run.tangentTerms(i, direction)),
    );
  }
  return steps
    .reverse()
    .filter(
      (i) =>
        i !== run.result &&
        scalar(run.adjoints[i]) !== null &&
        Number.isFinite(scalar(run.adjoints[i])) &&
        isKnown(run.adjointTerms(i)),
    );
}

/** What is asked of a step, with what the reader needs and no more; `known(i)` says whether a figure is on the page. */
function question(run, what, i, direction, known) {
  const name = run.name(i);
  const word = what.slice(0, -1);
  const figure = (of, x) => (known(of) ? `${word} ${shown(x, 5)}` : `${word} not yet known`);
  if (what === "tangents") {
    const terms = run
      .tangentTerms(i, direction)
      .map((t) => `${run.name(t.of)} (local derivative ${shown(t.partial, 5)}, ${figure(t.of, t.factor)})`);
    return `${name} = ${run.steps[i].formula} depends on ${listed(terms) || "no input"}. What is its tangent?`;
  }
  const terms = run
    .adjointTerms(i)
    .map((t) => `${run.name(t.of)} (local derivative ${shown(t.partial, 5)}, ${figure(t.of, t.factor)})`);
  return `${name} is used by ${listed(terms) || "no step"}. What is its adjoint?`;
}

/** What went wrong, if the answer is what one of the usual slips gives; null otherwise. */
function slip(run, what, i, direction, answer) {
  const isForward = what === "tangents";
  const terms = isForward ? run.tangentTerms(i, direction) : run.adjointTerms(i);
  const truth = Number(isForward ? run.tangents[direction][i] : run.adjoints[i]);
  const word = isForward ? "tangent" : "adjoint";
  const name = run.name(i);
  const products = terms.map((t) => times(t.partial, t.factor));
  const isSlip = (x) => Number.isFinite(x) && !isNear(x, truth) && isNear(answer, x) && !(x === 0 && answer !== 0);
  const without = (k, instead) => sum(products.map((p, j) => (j === k ? instead : p)));
  const of = (k) => run.name(terms[k].of);

  for (let k = 0; k < terms.length && terms.length > 1; k++) {
    if (!isSlip(products[k])) continue;
    return isForward
      ? `That is the part from ${of(k)} alone. ${name} has ${terms.length} operands, and their parts are added.`
      : `That is what ${of(k)} passes alone. ${name} is used ${terms.length} times, and its adjoint adds up what ` +
          "arrives: accumulate, do not overwrite.";
  }
  for (let k = 0; k < terms.length; k++) {
    const { partial, factor: given, others } = terms[k];
    if (isSlip(without(k, given))) {
      return `A factor is missing: the ${word} of ${of(k)} is multiplied by its local derivative ${shown(partial, 5)}.`;
    }
    if (isSlip(without(k, partial))) {
      return (
        `A factor is missing: the local derivative ${shown(partial, 5)} must be multiplied by the ${word} of ` +
        `${of(k)}. That is the chain rule.`
      );
    }
    if (others.some((other) => isSlip(without(k, times(other, given))))) {
      return (
        `That uses the derivative with respect to the wrong argument: ` +
        (isForward
          ? `the tangent of ${of(k)} is multiplied by the derivative with respect to ${of(k)}.`
          : `${of(k)} passes its adjoint times its derivative with respect to ${name}.`)
      );
    }
  }
  const [a, b] = terms;
  if (terms.length === 2 && isForward && isSlip(sum([times(b.partial, a.factor), times(a.partial, b.factor)]))) {
    return "The arguments are interchanged: each tangent belongs to the derivative with respect to its own operand.";
  }
  if (isSlip(sum(terms.map((t) => t.factor))))
    return `A factor is missing: each ${word} is multiplied by a local derivative.`;
  if (isSlip(sum(terms.map((t) => t.partial))))
    return `A factor is missing: each local derivative is multiplied by a ${word}.`;
  if (isSlip(-truth)) return "The sign is wrong.";
  for (let k = 0; k < terms.length; k++) {
    if (isSlip(without(k, -products[k])))
      return `The sign of the part ${isForward ? "from" : "that comes from"} ${of(k)} is wrong.`;
  }
  if (isSlip(Number(run.values[i]))) return `That is the value of ${name}, not its ${word}.`;
  return null;
}

/** The answers of a reader to one exercise. */
class Exercise {
  constructor(run, what, direction) {
    Object.assign(this, { run, what, direction, steps: asked(run, what, direction), answers: new Map() });
  }

  truth(i) {
    return Number(this.what === "tangents" ? this.run.tangents[this.direction][i] : this.run.adjoints[i]);
  }

  /** Whether the figure of a step is on the page. */
  known(i) {
    return !this.steps.includes(i) || Boolean(this.answers.get(i)?.done);
  }

  /** Take an answer; what to tell the reader, and whether it was right. */
  check(i, text) {
    const entry = this.answers.get(i) ?? { tries: 0, done: false, isShown: false };
    const { run, what, direction } = this;
    const answer = evaluated(text);
    if (!Number.isFinite(answer))
      return { isRight: false, words: `“${text}” is not a number: write 1.5, or 3.2*4.93.` };
    this.answers.set(i, entry);
    entry.tries += 1;
    if (isNear(answer, this.truth(i))) {
      entry.done = true;
      return { isRight: true, words: `Right: the ${what.slice(0, -1)} of ${run.name(i)} is ${this.solution(i)}.` };
    }
    const found = slip(run, what, i, direction, answer);
    return {
      isRight: false,
      words: found ?? `Not ${text}. ${question(run, what, i, direction, (k) => this.known(k))}`,
    };
  }

  reveal(i) {
    this.answers.set(i, { ...(this.answers.get(i) ?? { tries: 0 }), done: true, isShown: true });
    return `The ${this.what.slice(0, -1)} of ${this.run.name(i)} is ${this.solution(i)}.`;
  }

  solution(i) {
    const terms = this.what === "tangents" ? this.run.tangentTerms(i, this.direction) : this.run.adjointTerms(i);
    const arithmetic = written(this.run, terms);
    return arithmetic ? `${arithmetic} = ${shown(this.truth(i), 5)}` : shown(this.truth(i), 5);
  }

  get score() {
    const entries = [...this.answers.values()];
    return {
      right: entries.filter((e) => e.done && !e.isShown).length,
      first: entries.filter((e) => e.done && !e.isShown && e.tries === 1).length,
      seen: entries.filter((e) => e.isShown).length,
      all: this.steps.length,
    };
  }

  get summary() {
    const { right, first, seen, all } = this.score;
    const at = this.run.steps.slice(0, this.run.inputs).map((step, i) => `${step.name} = ${shown(this.run.values[i])}`);
    const counts = `${right} of ${all} ${this.what} right, ${first} at the first try, ${seen} shown`;
    return `${lesson.name} at ${at.join(", ")}: ${counts}`;
  }
}

// An exercise on the page: blanks in the table, answers to them, and the score.

/** Whether a run has what may be predicted: not the tangents of large arrays, nor adjoints without a real scalar. */
const isThere = (what) => (what === "tangents" ? run.tangents.length > 0 : run.adjoints !== null);

/** Begin an exercise, or with nothing wanted, or nothing there, go back to watching. */
function predict(wanted) {
  pause();
  const what = wanted && isThere(wanted) ? wanted : "";
  $("mode").value = what;
  page.exercise = what ? new Exercise(run, what, page.direction) : null;
  page.focus = null;
  page.position = what ? events.length - 1 : 0;
  page.chosen = null;
  for (const id of ["time", "transport", "gauge", "saving"]) $(id).hidden = Boolean(what);
  $("saving").hidden = Boolean(what) || run.adjoints === null || run.steps.length - run.inputs < 4;
  $("score").hidden = !what;
  $("directions").hidden = lesson.directions.length < 2 || what === "adjoints";
  page.built = "";
  if (what) {
    const { steps } = page.exercise;
    say(
      steps.length
        ? `Work out the ${what} yourself, in any order; press Enter after each. Arithmetic such as 3.2*4.93 will do.`
        : `There is nothing to predict here: these ${what} are arrays.`,
      "",
    );
  }
}

/** A row of an exercise: a blank, or what the reader found, was shown, or was given. */
function renderPredicted(row, i) {
  const { exercise } = page;
  const isForward = exercise.what === "tangents";
  const [cell, other] = isForward ? [row.cells[4], row.cells[5]] : [row.cells[5], row.cells[4]];
  fill(other, null);
  if (!exercise.steps.includes(i)) {
    fill(cell, isForward ? run.tangents[page.direction][i] : run.adjoints[i]);
    return;
  }
  const entry = exercise.answers.get(i);
  if (entry?.done) {
    fill(cell, exercise.truth(i));
    if (!entry.isShown) cell.append(make("span", { class: "tick", "aria-hidden": "true" }, " ✓"));
    return;
  }
  if (cell.firstElementChild?.tagName === "INPUT") return;
  const input = make("input", {
    type: "text",
    inputmode: "text",
    autocomplete: "off",
    enterkeyhint: "done",
    "data-step": i,
    "aria-label": `${exercise.what.slice(0, -1)} of ${run.name(i)}`,
  });
  input.addEventListener("focus", () => {
    page.focus = i;
    if (input.getAttribute("aria-invalid") !== "true") {
      say(
        question(run, exercise.what, i, page.direction, (k) => exercise.known(k)),
        "",
      );
    }
    render();
  });
  input.addEventListener("input", () => input.removeAttribute("aria-invalid"));
  input.addEventListener("keydown", (e) => e.key === "Enter" && input.value.trim() && answer(input, i, true));
  input.addEventListener(
    "change",
    () =>
      input.isConnected &&
      input.value.trim() &&
      input.getAttribute("aria-invalid") !== "true" &&
      answer(input, i, false),
  );
  cell.replaceChildren(input);
}

/** Take an answer from its field. */
function answer(input, i, moves) {
  // The browser tells of a change once more when the field is replaced.
  if (page.exercise.known(i)) return;
  const { isRight, words } = page.exercise.check(i, input.value.trim());
  if (!isRight) input.setAttribute("aria-invalid", "true");
  settle(i, words, isRight, moves && isRight);
}

/** Show what became of an answer, and go to the next that is missing. */
function settle(i, words, isRight, moves) {
  const { exercise } = page;
  const { steps } = exercise;
  const missing = [...steps.slice(steps.indexOf(i) + 1), ...steps].find((k) => !exercise.known(k));
  render();
  if (moves && missing !== undefined) page.rows[missing].querySelector("input").focus();
  const next = moves && missing !== undefined ? ` ${$("sentence").textContent}` : "";
  const done = missing === undefined ? ` All done: ${exercise.summary}.` : "";
  say(words + done + next, isRight ? "right" : "wrong");
}

function renderScore() {
  const { right, first, seen, all } = page.exercise.score;
  $("points").textContent = `${right} of ${all} right, ${first} at the first try${seen ? `, ${seen} shown` : ""}`;
  $("reveal").disabled = page.focus === null || page.exercise.known(page.focus);
}

async function copy() {
  const words = page.exercise.summary;
  try {
    await navigator.clipboard.writeText(words);
    say(`Copied: ${words}`, "");
  } catch {
    // A page from a disk, or in a frame, may not write to the clipboard.
    say(`To copy: ${words}`, "");
    getSelection().selectAllChildren($("sentence"));
  }
}

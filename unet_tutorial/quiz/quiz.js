// A guess before a cell: the first choice counts, and what comes out of the cell is unfolded.
function mountGuess(box) {
  box.live = true; // no attribute, which would stay in a page that is saved and opened again
  const { guess: name, sealed } = box.dataset;
  const inputs = [...box.querySelectorAll("input")];
  const reply = box.querySelector(".reply");
  const right = unseal(name, sealed);
  const show = (place) => {
    inputs[place].checked = true;
    for (const input of inputs) input.disabled = true;
    box.dataset.came = place === right;
    reply.className = `reply ${place === right ? "right" : "wrong"}`;
    reply.innerHTML = place === right ? "<strong>That is what comes out.</strong>" : "<strong>Something else comes out.</strong>";
    document.dispatchEvent(new Event("unet:guess"));
  };
  box.addEventListener("change", (event) => {
    const place = Number(event.target.value);
    kept.write(`guess-${name}`, place);
    show(place);
    reply.append(unfold(box) ? " Look below." : " Run the cell below.");
  });
  document.addEventListener("unet:again", () => {
    kept.write(`guess-${name}`, null);
    for (const input of inputs) input.checked = input.disabled = false;
    delete box.dataset.came;
    reply.className = "reply";
    reply.replaceChildren();
  });
  const before = kept.read(`guess-${name}`);
  if (Number.isInteger(before) && inputs[before]) show(before);
}

// Unfolds, in a page of the book, what comes out of the cells that follow the guess.
function unfold(box) {
  let found = false;
  for (let cell = box.closest("div.cell")?.nextElementSibling; cell?.matches("div.cell"); cell = cell.nextElementSibling) {
    for (const fold of cell.querySelectorAll("details.below-input, details.above-output")) fold.open = found = true;
  }
  return found;
}

// Shows the reply to each option that is chosen, and counts what was right at the first try.
function mountQuiz(quiz) {
  quiz.live = true; // no attribute, which would stay in a page that is saved and opened again
  const { quiz: name, sealed } = quiz.dataset;
  const answers = unseal(name, sealed);
  const questions = [...quiz.querySelectorAll("fieldset")];
  const count = quiz.querySelector(".count");
  let first = (kept.read(`quiz-${name}`) ?? []).slice(0, questions.length); // the first choice of each question

  const show = (number, place) => {
    const { right, replies } = answers[number];
    const reply = questions[number].querySelector(".reply");
    reply.className = `reply ${place === right ? "right" : "wrong"}`;
    reply.innerHTML = `<strong>${place === right ? "Right." : "Not quite."}</strong> ${replies[place]}`;
  };
  const sum = () => {
    const done = questions.filter((_, number) => Number.isInteger(first[number])).length;
    const right = answers.filter((answer, number) => first[number] === answer.right).length;
    count.textContent = done === 0 ? "" : `${done} of ${questions.length} answered, ${right} right at the first try.`;
    quiz.querySelector("[type=reset]").hidden = done === 0 && !document.querySelector("section.unet-guess[data-came]");
  };

  const guesses = () => {
    const made = [...document.querySelectorAll("section.unet-guess[data-came]")];
    const came = made.filter((box) => box.dataset.came === "true").length;
    const all = document.querySelectorAll("section.unet-guess").length;
    quiz.querySelector(".guessed").textContent = made.length
      ? `Of the ${all} guesses in this chapter you have made ${made.length}, and ${came} came out.`
      : "";
  };
  document.addEventListener("unet:guess", () => {
    guesses();
    sum();
  });
  guesses();

  questions.forEach((question, number) => {
    question.addEventListener("change", (event) => {
      const place = Number(event.target.value);
      if (!Number.isInteger(first[number])) {
        first[number] = place;
        kept.write(`quiz-${name}`, first);
      }
      show(number, place);
      sum();
    });
    if (!Number.isInteger(first[number]) || !(first[number] < answers[number].replies.length)) return;
    question.querySelectorAll("input")[first[number]].checked = true;
    show(number, first[number]);
  });
  quiz.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  quiz.querySelector("form").addEventListener("reset", () => {
    first = [];
    kept.write(`quiz-${name}`, first);
    for (const reply of quiz.querySelectorAll(".reply")) {
      reply.className = "reply";
      reply.replaceChildren();
    }
    document.dispatchEvent(new Event("unet:again"));
    guesses();
    sum();
  });
  sum();
}

[...document.querySelectorAll("section.unet-guess")].filter((box) => !box.live).forEach(mountGuess);
[...document.querySelectorAll("section.unet-quiz[data-quiz]")].filter((quiz) => !quiz.live).forEach(mountQuiz);

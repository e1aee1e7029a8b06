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
    quiz.querySelector("[type=reset]").hidden = done === 0;
  };

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
    quiz.querySelectorAll(".reply").forEach((reply) => reply.replaceChildren());
    quiz.querySelectorAll(".reply").forEach((reply) => (reply.className = "reply"));
    sum();
  });
  sum();
}

[...document.querySelectorAll("section.unet-quiz")].filter((quiz) => !quiz.live).forEach(mountQuiz);

// A field in which an exercise is answered in the page, with the replies that the notebook gives.

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function numberField(id, before) {
  const input = element("input", { type: "text", id, autocomplete: "off", spellcheck: false, value: before ?? "" });
  return { parts: [element("label", { htmlFor: id, textContent: "Your answer" }), input], value: () => input.value };
}

function wordField(id, before, table) {
  const type = table.several ? "checkbox" : "radio";
  const inputs = table.options.map((option) =>
    element("input", { type, name: id, value: option, checked: (before ?? []).includes(option) }),
  );
  const legend = element("legend", { textContent: table.several ? "Choose one or several" : "Choose one" });
  const labels = inputs.map((input) => element("label", {}, input, ` ${input.value}`));
  const value = () => inputs.filter((input) => input.checked).map((input) => input.value);
  return { parts: [element("fieldset", {}, legend, ...labels)], value };
}

function mountExercise(place) {
  const { exercise, sealed } = place.dataset;
  const table = unseal(exercise, sealed);
  const words = table.kind === "words";
  const field = (words ? wordField : numberField)(`answer-${exercise}`, kept.read(exercise), table);
  const said = element("p", { className: "reply" });
  said.setAttribute("role", "status");
  const more = element("button", { type: "button", textContent: "Show the answer", hidden: true });
  const form = element("form", { noValidate: true }, ...field.parts, element("button", { textContent: "Check" }), more, said);
  let tries = 0;
  const say = (state, text) => {
    said.className = `reply ${state}`;
    said.textContent = text;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const answer = field.value();
    if (!words && !answer.trim()) return say("", "Not answered yet.");
    kept.write(exercise, answer);
    const reply = words ? judgeWords(table, answer) : judgeNumbers(table, answer);
    if (reply.state === "right") return say("right", "Right.");
    say("wrong", `Not yet. ${reply.words ?? `Hint: ${table.hints[Math.min(tries, 1)]}`}`);
    tries += 1;
    more.hidden = tries < 2 || !table.revealed;
  });
  more.addEventListener("click", () => say("", table.revealed));
  place.replaceChildren(form);
}

document.querySelectorAll("div.exercise[data-sealed]").forEach(mountExercise);

// Moves the controls of an explorer to and fro, and returns for each move the time from the input to the end of the frame
// that shows the answer, in milliseconds.
async (figure, moves) => {
  const fields = [...figure.querySelectorAll(".control :is(input, select)")];
  const times = [];
  for (let i = 0; i < moves; i += 1) {
    await painted();
    const field = fields[(i * 7919) % fields.length];
    if (field.type === "range") field.value = (Number(field.value) + 1 + (i % 3)) % (Number(field.max) + 1);
    else if (field.tagName === "SELECT") field.selectedIndex = (field.selectedIndex + 1) % field.options.length;
    else field.checked = field.type === "radio" || !field.checked;
    const start = performance.now();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await painted();
    times.push(performance.now() - start);
  }
  return times;

  // Settles when a frame has been drawn: the message is handled after it.
  function painted() {
    return new Promise((done) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = done;
        port2.postMessage(null);
      });
    });
  }
};

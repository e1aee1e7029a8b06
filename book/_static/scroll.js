// Code and outputs that scroll can be reached with the Tab key, and then be moved with the arrow keys. The theme looks
// for them when a page loads, and a while after the window changed its size. But they also become narrower when the
// list of chapters slides in, and some browsers give folded code a size only when it is unfolded. Here each is looked
// at whenever it gets another size.
document.addEventListener("DOMContentLoaded", () => {
  const watch = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      target.tabIndex = scrolls ? 0 : -1;
    }
  });
  for (const area of document.querySelectorAll("article pre, article .cell_output > .output")) watch.observe(area);
});

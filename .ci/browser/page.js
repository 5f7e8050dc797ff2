// What a reader's eye would find in the page, laid out for so many pixels: a list of faults. print says that it is
// for paper, where nothing scrolls.
(wide, print) => {
  const faults = [];
  const short = (text) => JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 40));
  const within = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 2 && inner.bottom <= outer.bottom + 2;

  // A scroll bar takes some of a large screen.
  const room = document.documentElement.clientWidth;
  if (room > wide || room < wide - 20) faults.push(`overflow: the page is laid out for ${room} px`);
  if (document.documentElement.scrollWidth > room) faults.push(`overflow: the page is ${document.documentElement.scrollWidth} px wide`);
  if (document.querySelector("script")) faults.push("script: the page has one");
  for (const element of document.querySelectorAll("*")) {
    for (const { name } of element.attributes) if (name.startsWith("on")) faults.push(`script: ${element.tagName} has ${name}`);
  }

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id).sort();
  ids.forEach((id, i) => { if (id === ids[i + 1]) faults.push(`id: ${id} is there twice`); });

  // Lines of text as they are drawn, each with its element.
  const lines = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("style, title, desc, defs")) continue;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width > 0.5 && box.height > 0.5) lines.push({ node, element, box, text: short(node.data) });
    }
  }

  // Boxes that hold an element's text: its block, what clips it, and the drawing it is in.
  const holders = new Map();
  const holder = (element) => {
    if (holders.has(element)) return holders.get(element);
    const found = { clips: [], unseen: false, scrolls: false };
    for (let at = element; at && at !== document.documentElement; at = at.parentElement) {
      const style = getComputedStyle(at);
      const box = at.getBoundingClientRect();
      if (at.tagName === "svg") found.drawing = box;
      if (style.position === "absolute" && box.right < 0) found.unseen = true; // until it has the focus
      if (!(at instanceof SVGElement) && !found.block && style.display !== "inline" && style.display !== "contents") found.block = box;
      if (style.overflowX === "visible" || at === document.body || at instanceof SVGElement) continue;
      if (box.width <= 1 && box.height <= 1) found.unseen = true; // for screen readers only
      const scrolls = style.overflowX === "auto" || style.overflowX === "scroll";
      if (scrolls && at.scrollWidth > at.clientWidth) {
        found.scrolls = true;
        if (print || wide >= 1000 || at.tabIndex < 0) faults.push(`scroll: ${at.tagName} hides text ${short(at.textContent)}`);
      } else found.clips.push(box);
    }
    holders.set(element, found);
    return found;
  };

  const seen = lines.filter(({ element, box, text }) => {
    const at = holder(element);
    if (at.unseen) return false;
    if (at.drawing) {
      if (!within(box, at.drawing)) faults.push(`cut: ${text} is not within its drawing`);
      const matrix = element.getScreenCTM();
      const size = parseFloat(getComputedStyle(element).fontSize) * Math.hypot(matrix.b, matrix.d);
      if (size < 9.9) faults.push(`small: ${text} is ${size.toFixed(1)} px high`);
    } else if (!at.scrolls) {
      if (at.block && (box.right > at.block.right + 1 || box.left < at.block.left - 1)) faults.push(`cut: ${text} is wider than its box`);
      if (box.right > room + 1 || box.left < -1) faults.push(`cut: ${text} is not within the page`);
    }
    for (const clip of at.clips) if (!within(box, clip)) faults.push(`cut: ${text} is hidden in part`);
    return true;
  });

  // Two lines of text in one place. A line's box has room above and below its letters.
  const letters = seen.map((line) => ({ ...line, top: line.box.top + line.box.height * 0.2, bottom: line.box.bottom - line.box.height * 0.2 }));
  letters.sort((a, b) => a.top - b.top);
  letters.forEach((a, i) => {
    for (let j = i + 1; j < letters.length && letters[j].top < a.bottom - 1; j++) {
      const b = letters[j];
      if (a.node !== b.node && Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 1) faults.push(`overlap: ${a.text} and ${b.text}`);
    }
  });

  // Curves that only their colour tells apart.
  for (const drawing of document.querySelectorAll("svg")) {
    const looks = new Map();
    for (const curve of drawing.querySelectorAll(".curve")) {
      const style = getComputedStyle(curve);
      const look = [style.strokeDasharray, style.strokeWidth, style.markerMid, style.markerStart].join(" ");
      if (looks.has(look)) faults.push("colour: two curves differ in nothing else");
      looks.set(look);
    }
  }
  return [...new Set(faults)];
}

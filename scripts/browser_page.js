// What every page has to hold, read off the page as it is shown: names for those who listen, contrast for those who
// look, nothing that sticks out. Evaluated by scripts/browser.py; gives what is wrong, in words.
() => {
  const wrong = [];
  const what = (element) => {
    const name = element.tagName.toLowerCase() + (element.id ? `#${element.id}` : "") + (element.className && element.className.baseVal === undefined ? `.${element.className.trim().replace(/\s+/g, ".")}` : "");
    return `${name} “${(element.textContent || element.value || "").trim().slice(0, 40)}”`;
  };
  const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && element.getClientRects().length > 0 && !element.closest(".visually-hidden, .skip, dialog:not([open])");

  // Names.
  if (!document.documentElement.lang) wrong.push("the page has no language");
  if (!document.title.trim()) wrong.push("the page has no title");
  if (document.querySelectorAll("main").length !== 1) wrong.push("there is not exactly one main");
  const named = (element) => (element.getAttribute("aria-label") || element.innerText || element.title || element.querySelector?.("img[alt]")?.alt || "").trim();
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.getAttribute("aria-label") && ![...field.labels].some((label) => label.textContent.trim())) wrong.push(`${what(field)} has no label`);
  }
  for (const element of document.querySelectorAll("a[href], button, summary")) {
    if (isShown(element) && !named(element)) wrong.push(`${what(element)} has no name`);
  }
  for (const image of document.querySelectorAll("img")) {
    if (!image.hasAttribute("alt")) wrong.push(`${what(image)} has no alt`);
    if (!image.complete || image.naturalWidth === 0) wrong.push(`${image.src} is not drawn`);
  }
  for (const picture of document.querySelectorAll("svg")) {
    if (picture.getAttribute("aria-hidden") !== "true" && !picture.getAttribute("aria-label")) wrong.push(`${what(picture)} is neither named nor hidden`);
  }
  for (const element of document.querySelectorAll("nav, progress, dialog")) {
    if (!element.getAttribute("aria-label")) wrong.push(`${what(element)} has no name`);
  }
  for (const element of document.querySelectorAll("[tabindex]")) {
    if (element.tabIndex > 0) wrong.push(`${what(element)} changes the order of Tab`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`the id ${id} is there twice`);

  // Headings: one first, and no level left out.
  const headings = [...document.querySelectorAll("main h1, main h2, main h3, main h4")].filter((heading) => !heading.closest("dialog:not([open])"));
  const levels = headings.map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) wrong.push(`there are ${levels.filter((level) => level === 1).length} first headings`);
  levels.forEach((level, at) => { if (level > (levels[at - 1] ?? 0) + 1) wrong.push(`${what(headings[at])} leaves a level out`); });

  // Nothing sticks out to the side: what is wide scrolls within itself, where keys reach it.
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} wide on a screen of ${width}`);
  const scrolls = (element) => { for (let at = element.parentElement; at; at = at.parentElement) { if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return at; } return null; };
  for (const element of document.querySelectorAll("body *")) {
    if (!isShown(element) || scrolls(element) || element.closest("svg")) continue;
    const box = element.getBoundingClientRect();
    const around = element.parentElement.closest(".card, .tile, .notice, .hit, .lines")?.getBoundingClientRect();
    if (around && (box.right > around.right + 1 || box.left < around.left - 1)) wrong.push(`${what(element)} sticks out of what it stands in`);
    if (box.right > width + 1 || box.left < -1) wrong.push(`${what(element)} sticks out: ${Math.round(box.left)} to ${Math.round(box.right)} of ${width}`);
  }

  // Contrast: 4.5 for text, 3 for large text, as WCAG counts it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const back = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const luminance = ([r, g, b]) => [r, g, b].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => { const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b); return (high + 0.05) / (low + 0.05); };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element || seen.has(element) || !isShown(element) || element.closest("svg, noscript, script, option")) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const size = Number.parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const behind = back(element);
    const found = contrast(over(parse(style.color), behind), behind);
    if (found < least) wrong.push(`${what(element)} has a contrast of ${found.toFixed(2)}, not ${least}`);
  }

  // On a phone a finger has to hit it: links within a text are as high as the text.
  if (matchMedia("(pointer: coarse)").matches) {
    for (const element of document.querySelectorAll("button, .button, input:not([type=checkbox]):not([type=hidden]), select, nav[aria-label=Pages] a")) {
      const box = element.getBoundingClientRect();
      if (isShown(element) && box.height < 28) wrong.push(`${what(element)} is ${Math.round(box.height)} high, too small for a finger`);
    }
  }
  return [...new Set(wrong)];
}

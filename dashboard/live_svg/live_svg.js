// Shows data.svg. Later versions are patched into the same elements, so that running animations are not restarted.

export default function (component) {
  const { data, parentElement } = component;
  const holder = parentElement.querySelector(".live-svg");
  const next = parse(data.svg);
  const shown = holder.firstElementChild;
  if (shown) patch(shown, next);
  else holder.replaceChildren(next);
}

function parse(markup) {
  const document_ = new DOMParser().parseFromString(markup, "image/svg+xml");
  return document.importNode(document_.documentElement, true);
}

// Same tag and same children: copy what differs. Anything else: take the new element.
function patch(shown, next) {
  if (shown.tagName !== next.tagName || shown.childElementCount !== next.childElementCount) {
    shown.replaceWith(next);
    return;
  }
  copyAttributes(shown, next);
  if (!next.childElementCount) {
    if (shown.textContent !== next.textContent) shown.textContent = next.textContent;
    return;
  }
  const children = [...next.children];
  [...shown.children].forEach((child, index) => patch(child, children[index]));
}

function copyAttributes(shown, next) {
  for (const { name } of [...shown.attributes]) if (!next.hasAttribute(name)) shown.removeAttribute(name);
  for (const { name, value } of [...next.attributes]) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
}

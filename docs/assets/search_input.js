// Material searches at keyup alone: a word that an input method, a menu or a voice puts in comes without one.
document.addEventListener("input", ({target}) => {
  if (target.matches("[data-md-component=search-query]")) target.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true}))
})

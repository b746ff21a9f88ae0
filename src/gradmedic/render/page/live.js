{
  const news = new EventSource("events");
  const swap = async () => {
    const answer = await fetch(".", { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const language = document.querySelector(".languages input:checked")?.id;
    const open = [...document.querySelectorAll("details")].map((found) => found.open);
    const [x, y] = [scrollX, scrollY];
    for (const part of ["header", "main"]) {
      document.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
    }
    for (const block of fresh.querySelectorAll("script[type='application/json']")) {
      document.getElementById(block.id).textContent = block.textContent;
    }
    document.title = fresh.title;
    if (language) document.getElementById(language).checked = true;
    document.querySelectorAll("details").forEach((found, i) => { found.open = open[i] ?? false; });
    scrollTo(x, y);
    show();
  };
  news.addEventListener("changed", swap);
  news.addEventListener("ended", async () => { news.close(); await swap(); });
  news.addEventListener("error", () => { document.querySelector(".news")?.classList.add("lost"); });
  news.addEventListener("open", () => { document.querySelector(".news")?.classList.remove("lost"); });
}

// Before anything is drawn, so that nothing is drawn twice. `auto` leaves it to the system.
(() => {
  let wanted = null;
  try {
    wanted = localStorage.getItem("leadtime-theme");
  } catch {
    // Without storage the system decides every time.
  }
  if (wanted === "light" || wanted === "dark") document.documentElement.dataset.theme = wanted;
})();

// Runs before the first paint, so that a chosen theme never flashes. Its own file: the server's CSP allows no inline script.
try {
  const theme = localStorage.getItem("pawl.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden: the system's theme is used
}

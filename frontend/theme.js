// A theme chosen on an earlier visit, before the first paint. The page's program
// arrives too late for that.
try {
    const theme = localStorage.getItem("tupate-theme");
    if (theme === "light" || theme === "dark") {
        document.documentElement.dataset.theme = theme;
    }
} catch {
    // No storage here: the system's theme.
}

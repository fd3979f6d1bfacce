package report

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/sample"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// faultWatch runs in a page before the page's own script. It collects what a page must never do.
const faultWatch = `
	globalThis.faults = [];
	addEventListener("securitypolicyviolation", (e) => faults.push("CSP: " + e.violatedDirective + " " + e.blockedURI));
	addEventListener("error", (e) => faults.push("error: " + e.message));
	addEventListener("unhandledrejection", (e) => faults.push("unhandled rejection: " + e.reason));
	for (const level of ["error", "warn"]) {
		console[level] = (...args) => faults.push("console." + level + ": " + args.join(" "));
	}`

// startChromium starts a browser that ends with the test. Without Chromium the test is skipped, or fails in CI.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		allocator, free := chromedp.NewExecAllocator(context.Background(),
			chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
			chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
		t.Cleanup(free)
		ctx, _ := chromedp.NewContext(allocator)
		if err := chromedp.Do(ctx); err != nil {
			t.Fatalf("start %s: %v", path, err)
		}
		t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
		return ctx
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no Chromium in PATH (chromium, chromium-browser or google-chrome)")
	}
	t.Skip("no Chromium in PATH (chromium, chromium-browser or google-chrome)")
	return nil
}

// openReport opens the report of r in a tab of its own.
func openReport(t *testing.T, browser context.Context, r *figures.Result, outcomes []figures.Outcome, width int64, scheme string) context.Context {
	t.Helper()
	document, err := figures.NewDocument(r, outcomes)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := Write(path, r, document); err != nil {
		t.Fatal(err)
	}
	tab, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	t.Cleanup(cancel)
	err = chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: faultWatch})
		if err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: 800, DeviceScaleFactor: 1,
		}); err != nil {
			return err
		}
		_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String())); err != nil {
		t.Fatalf("open the report: %v", err)
	}
	t.Cleanup(func() {
		for _, fault := range evaluate[[]string](t, ctx, "faults") {
			t.Errorf("the report: %s", fault)
		}
	})
	return ctx
}

// evaluate returns the value of a JavaScript expression. If the value is a promise, evaluate awaits it.
func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// drawn returns, for each chart, its label and the number of colours in it. An empty chart has a background only.
const drawn = `new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))).then(() =>
	[...document.querySelectorAll("canvas")].map((canvas) => {
		const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
		const colors = new Set();
		for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colors.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
		return canvas.getAttribute("aria-label") + "|" + colors.size;
	}))`

func TestAReportInABrowser(t *testing.T) {
	browser := startChromium(t)
	t.Run("draws its charts on a screen, light", func(t *testing.T) { drawsItsCharts(t, browser, 1200, "light") })
	t.Run("draws its charts on a phone, dark", func(t *testing.T) { drawsItsCharts(t, browser, 360, "dark") })
	t.Run("shows hostile text as text", func(t *testing.T) { showsHostileTextAsText(t, browser) })
	t.Run("is there for an empty run, too", func(t *testing.T) {
		page := openReport(t, browser, &figures.Result{Options: sample.Result().Options, Failed: "the service went away"}, nil, 1000, "light")
		if text := evaluate[string](t, page, "document.body.innerText"); !strings.Contains(text, "the service went away") {
			t.Errorf("the page says %q; wanted why the run ended", text)
		}
	})
}

func drawsItsCharts(t *testing.T, browser context.Context, width int64, scheme string) {
	axe, err := os.ReadFile("../../../web/node_modules/axe-core/axe.min.js")
	if err != nil && (os.Getenv("CI") == "true" || !errors.Is(err, fs.ErrNotExist)) {
		t.Fatal(err)
	}
	r := sample.Broken()
	check, err := figures.ParseCheck("p99<50ms,errors=0")
	if err != nil {
		t.Fatal(err)
	}
	page := openReport(t, browser, r, check.Evaluate(r), width, scheme)
	charts := evaluate[[]string](t, page, drawn)
	if len(charts) != 8 {
		t.Errorf("%d charts: %q; wanted 8", len(charts), charts)
	}
	for _, chart := range charts {
		if colors, err := strconv.Atoi(chart[strings.LastIndex(chart, "|")+1:]); err != nil || colors < 3 {
			t.Errorf("the chart %q has %d colours, %v; wanted lines, axes and labels", chart, colors, err)
		}
	}
	if evaluate[bool](t, page, "document.documentElement.scrollWidth > innerWidth") {
		t.Error("the page is wider than the screen")
	}
	before := evaluate[string](t, page, `document.querySelector("#distribution canvas").toDataURL()`)
	evaluate[bool](t, page, `document.getElementById("logarithmic").click(); true`)
	evaluate[[]string](t, page, drawn)
	if before == evaluate[string](t, page, `document.querySelector("#distribution canvas").toDataURL()`) {
		t.Error("a logarithmic scale shows the same as a linear one")
	}
	if axe == nil {
		return
	}
	evaluate[bool](t, page, string(axe)+"; true")
	for _, violation := range evaluate[[]string](t, page, `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
		violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.failureSummary + " " + n.html)))`) {
		t.Error(violation)
	}
}

func showsHostileTextAsText(t *testing.T, browser context.Context) {
	const attack = `</script><script>document.title = "owned"</script><img src=x onerror='document.title = "owned"'>{{.Title}}<!--`
	r := sample.Broken()
	r.Failed = attack
	r.Machine.Name = attack
	r.Service.Command = attack
	r.Options.URL = "ws://localhost/" + url.PathEscape(attack)
	r.Warnings = []figures.Warning{{Code: attack, Text: attack}}
	r.Verification.Findings[figures.ViolationLost] = figures.Finding{Count: 1, Example: attack}
	addErrorOfAnyForm(t, &r.Snapshot, attack)
	page := openReport(t, browser, r, []figures.Outcome{{Condition: attack, Value: attack}}, 1000, "light")
	if title := evaluate[string](t, page, "document.title"); title != "Load test: relay" {
		t.Errorf("the title is %q: something in the page was run", title)
	}
	if images := evaluate[int](t, page, `document.querySelectorAll("img").length`); images != 0 {
		t.Errorf("the page has %d images; wanted none", images)
	}
	if got := evaluate[string](t, page, `JSON.parse(document.getElementById("figures").textContent).document.failed`); got != attack {
		t.Errorf("the data has %q; wanted %q, as it was", got, attack)
	}
	if charts := evaluate[[]string](t, page, drawn); len(charts) == 0 {
		t.Error("no chart was drawn")
	}
}

// addErrorOfAnyForm counts an error with a code that [figures.Snapshot.AddErrors] would replace. It uses the JSON form
// in which a Snapshot passes between processes.
func addErrorOfAnyForm(t *testing.T, s *figures.Snapshot, code string) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		Counters, Metrics, Closes json.RawMessage
		Errors                    map[string]int64
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	fields.Errors[code] = 1
	if text, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatal(err)
	}
	if s.Errors()[code] != 1 {
		t.Fatalf("the errors are %v; wanted %q among them", s.Errors(), code)
	}
}

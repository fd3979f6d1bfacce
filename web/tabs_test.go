package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// tab is one tab of Chromium. A tab in a browser context of its own outlives its test: most of what a page costs is its browser
// context and its process. Between two tests the tab is empty.
type tab struct {
	ctx context.Context
	// end closes the tab and disposes of its browser context.
	end context.CancelFunc
	// origins are those whose pages it has shown. The value says whether the browser context has their data still.
	origins map[string]bool
	// fromDisk says that its process shows pages from disk, which the browser keeps apart from all others.
	fromDisk bool
	// scripts are those that a test has run in each page before its own.
	scripts []cdppage.ScriptIdentifier
}

// pool holds what no test uses. Two pages of one test never share a tab.
type pool[T any] struct {
	mu   sync.Mutex
	free []T
}

// take returns a free item that fits the first wish. If none does, it looks for one that fits the next wish, and so on. It returns false if
// there is none for any wish.
func (p *pool[T]) take(wishes ...func(T) bool) (item T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fits := range wishes {
		for i := len(p.free) - 1; i >= 0; i-- {
			if fits(p.free[i]) {
				item = p.free[i]
				p.free = slices.Delete(p.free, i, i+1)
				return item, true
			}
		}
	}
	return item, false
}

func (p *pool[T]) put(item T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, item)
}

// freeTab returns the free tab that takes least to show a page of an origin: one that has shown such a page, or else one that has the process
// for it, or else any. To start a process, which compiles the page anew, takes longer than most tests.
func freeTab(origin string) (*tab, bool) {
	hasProcess := func(t *tab) bool { return t.fromDisk == (origin == filesOrigin) }
	return tabs.take(
		func(t *tab) bool {
			_, shown := t.origins[origin]
			return shown && hasProcess(t)
		},
		hasProcess,
		func(*tab) bool { return true },
	)
}

// openTab opens a new, empty tab.
func openTab(parent context.Context, options ...chromedp.ContextOption) (*tab, error) {
	ctx, end := chromedp.NewContext(parent, options...)
	t := &tab{ctx: ctx, end: end, origins: map[string]bool{}}
	if err := t.prepare(); err != nil {
		end()
		return nil, err
	}
	return t, nil
}

func (t *tab) prepare() error {
	return chromedp.Do(t.ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		// chromedp asks for events that no test reads. Each of them costs the page time.
		for _, method := range []string{css.Disable.Method, log.Disable.Method, network.Disable.Method} {
			if err := target.Call(ctx, method, cdp.Empty{}, nil); err != nil {
				return fmt.Errorf("%s: %w", method, err)
			}
		}
		if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission:       &browser.PermissionDescriptor{Name: "microphone"},
			Setting:          browser.PermissionSettingGranted,
			BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
		}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument,
			cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: watch}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	}))
}

// forget deletes what pages of an origin have kept in the browser context. Their session storage has not outlived the empty page.
func (t *tab) forget(ctx context.Context, origin string) error {
	_, err := chromedp.Call(ctx, storage.ClearDataForOrigin,
		storage.ClearDataForOriginParams{Origin: origin, StorageTypes: "indexeddb,local_storage,file_systems"})
	if err == nil {
		t.origins[origin] = false
	}
	return err
}

// Services of later tests listen at the addresses of earlier ones.
func TestATabForgetsWhatPagesOfEarlierTestsHaveKept(t *testing.T) {
	for name, c := range map[string]struct {
		start func(t *testing.T) (url string)
		files int // that it can keep
	}{
		"of the service":    {func(t *testing.T) string { return startService(t).url() + "icon.svg" }, 1},
		"of a fake service": {func(t *testing.T) string { return startFakeService(t).server.URL + "/icon.svg" }, 1},
		"from disk":         {func(t *testing.T) string { return fromDisk(t, "icon.svg", "127.0.0.1:9") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.start(t)
			const kept = `(async () => {
				const folder = await navigator.storage?.getDirectory().catch(() => undefined);
				const files = folder === undefined ? [] : await Array.fromAsync(folder.keys());
				return [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length, files.length].join();
			})()`
			var first *tab
			t.Run("earlier", func(t *testing.T) {
				p := newPage(t, "earlier", url)
				first = p.tab
				eval[any](p, `localStorage.kept = sessionStorage.kept = 1`)
				eval[any](p, `new Promise((resolve) => { indexedDB.open("kept").onsuccess = () => resolve() })`)
				if c.files > 0 {
					eval[any](p, `navigator.storage.getDirectory().then((folder) => folder.getFileHandle("kept", { create: true })).then(() => null)`)
				}
				if got, want := eval[string](p, kept), fmt.Sprintf("1,1,1,%d", c.files); got != want {
					t.Errorf("the page has kept %s things, want %s", got, want)
				}
				p.beforeEachLoad(`globalThis.scripted = true`)
				p.navigate(url)
				if !eval[bool](p, "globalThis.scripted === true") {
					t.Error("the script of the test was not run")
				}
			})
			t.Run("later", func(t *testing.T) {
				p := newPage(t, "later", url)
				if p.tab != first {
					t.Error("the tab that has shown the page was not taken")
				}
				if got := eval[string](p, kept); got != "0,0,0,0" {
					t.Errorf("%s things of the earlier page are there", got)
				}
				if eval[bool](p, "globalThis.scripted === true") {
					t.Error("the script of the earlier test was run")
				}
				// What this test keeps stays.
				eval[any](p, `sessionStorage.kept = 1`)
				p.navigate(url)
				if got := eval[string](p, kept); got != "0,1,0,0" {
					t.Errorf("after a reload there are %s things, want what this page has kept", got)
				}
			})
		})
	}
}

// clear leaves the page without a question and undoes what a test may have set. It deletes what pages from disk have kept, because all
// of them have one origin. If all is true it deletes what the others have kept, too.
func (t *tab) clear(all bool) error {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void]("globalThis.testing?.leave()")); err != nil {
			return err
		}
		// The empty page must not run them.
		for _, id := range t.scripts {
			if err := target.Call(ctx, cdppage.RemoveScriptToEvaluateOnNewDocument.Method,
				cdppage.RemoveScriptToEvaluateOnNewDocumentParams{Identifier: id}, nil); err != nil {
				return err
			}
		}
		t.scripts = nil
		empty := emptyPage()
		if t.fromDisk {
			var err error
			if empty, err = fileURL("testdata/empty.html"); err != nil {
				return err
			}
		}
		if err := chromedp.Do(ctx, chromedp.Navigate(empty)); err != nil {
			return err
		}
		for _, step := range []struct {
			method string
			params any
		}{
			// A page in the history may be alive, in the back/forward cache.
			{cdppage.ResetNavigationHistory.Method, cdp.Empty{}},
			{cdppage.SetInterceptFileChooserDialog.Method, cdppage.SetInterceptFileChooserDialogParams{Enabled: false}},
			{emulation.ClearDeviceMetricsOverride.Method, cdp.Empty{}},
			{emulation.SetEmulatedMedia.Method, emulation.SetEmulatedMediaParams{}},
		} {
			if err := target.Call(ctx, step.method, step.params, nil); err != nil {
				return fmt.Errorf("%s: %w", step.method, err)
			}
		}
		for origin, kept := range t.origins {
			if !kept || (!all && origin != filesOrigin) {
				continue
			}
			if err := t.forget(ctx, origin); err != nil {
				return err
			}
		}
		return nil
	}))
}

// emptyPage is the address of a page without anything. It is of the same site as the services' pages, so that the tab keeps its
// process. For the same reason tabs that show pages from disk have testdata/empty.html.
var emptyPage = sync.OnceValue(func() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	})).URL
})

// filesOrigin is the origin of all pages from disk.
const filesOrigin = "file://"

// originOf returns the origin of an address in the form that the DevTools protocol takes.
func originOf(address string) (string, error) {
	address, _, _ = strings.Cut(address, "#") // a fragment may have anything in it
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host, nil
}

package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/display"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/sample"
)

func page(t *testing.T, r *figures.Result) string {
	t.Helper()
	document, err := figures.NewDocument(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := render(r, document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAReportLoadsNothing(t *testing.T) {
	text := page(t, sample.Broken())
	for _, form := range []string{`(?i)\ssrc\s*=\s*["']?[^"'d]`, `(?i)\shref="[^d]`, `(?i)url\(`, `(?i)@import`, `https?://[^w ]`} {
		// A comment names the library's address. Nothing else in the page may look like one.
		if found := regexp.MustCompile(form).FindString(text); found != "" {
			t.Errorf("the report has %q in it", found)
		}
	}
}

func TestAReportsPolicyHasTheHashesOfItsOwnScriptAndStyle(t *testing.T) {
	text := page(t, sample.Result())
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]+)">`).FindStringSubmatch(text)
	if policy == nil || !strings.HasPrefix(policy[1], "default-src &#39;none&#39;") || strings.Contains(policy[1], "unsafe") {
		t.Fatalf("the policy is %q; wanted one that permits nothing else", policy)
	}
	for _, form := range []string{`(?s)<style>(.*?)</style>`, `(?s)<script>(.*?)</script>`} {
		parts := regexp.MustCompile(form).FindAllStringSubmatch(text, -1)
		if len(parts) != 1 {
			t.Fatalf("%s is there %d times; wanted once", form, len(parts))
		}
		hash := sha256.Sum256([]byte(parts[0][1]))
		if want := base64.StdEncoding.EncodeToString(hash[:]); !strings.Contains(strings.ReplaceAll(policy[1], "&#43;", "+"), want) {
			t.Errorf("the policy %q does not have %s of %s", policy[1], want, form)
		}
	}
}

func TestTheReportKeepsTheLicenceOfItsLibrary(t *testing.T) {
	text := page(t, sample.Result())
	for _, want := range []string{"Leon Sorokin", "Permission is hereby granted, free of charge"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not have %q in it", want)
		}
	}
}

func TestALongRunHasAReportOfReasonableSize(t *testing.T) {
	r := sample.Result()
	for len(r.Timeline) < 4*3600 {
		p := r.Timeline[len(r.Timeline)%12]
		p.At = time.Duration(len(r.Timeline)+1) * time.Second
		r.Timeline = append(r.Timeline, p)
	}
	text := page(t, r)
	if rows := strings.Count(text, "<tr>"); rows > maxTableRows+20 {
		t.Errorf("the tables have %d rows; wanted about %d", rows, maxTableRows)
	}
	if len(text) > 12<<20 {
		t.Errorf("the report of 4 hours has %d bytes; wanted 12 MB at most", len(text))
	}
}

func TestTheBundleIsWhatItsSourcesMake(t *testing.T) {
	source, err := os.ReadFile("report.go")
	if err != nil {
		t.Fatal(err)
	}
	generated := 0
	for line := range strings.Lines(string(source)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate ")
		if !ok {
			continue
		}
		arguments := strings.Fields(command)
		last := len(arguments) - 1
		committed := strings.TrimPrefix(arguments[last], "--outfile=")
		fresh := filepath.Join(t.TempDir(), filepath.Base(committed))
		arguments[last] = "--outfile=" + fresh
		if output, err := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q failed: %v\n%s", command, err, output)
		}
		got, err := os.ReadFile(committed)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(fresh); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its sources make, %v: run go generate ./transport/loadtest/report", committed, err)
		}
		generated++
	}
	if generated != 2 {
		t.Errorf("report.go generates %d files; wanted 2", generated)
	}
}

func TestAPasswordInTheURLIsNotShown(t *testing.T) {
	r := sample.Result()
	r.Options.URL = "ws://me:secret@localhost:7777/ws"
	document, err := figures.NewDocument(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := render(r, document)
	if err != nil {
		t.Fatal(err)
	}
	if text := document.Options.URL + display.Summary(r, nil) + string(page); strings.Contains(text, "secret") {
		t.Error("the password is in the document, the summary or the report")
	}
}

package conformance

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheReadmeNamesWhatIsTried compares README.md with the table, and with the tests of the module.
func TestTheReadmeNamesWhatIsTried(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`\*([^*|]+)\*`).FindAllStringSubmatch(strings.ReplaceAll(string(text), "**", ""), -1) {
		named[m[1]] = true
	}
	there := map[string]bool{"italics": true}
	for _, r := range table() {
		name := strings.TrimSuffix(r.name, ", under a path")
		for _, many := range []string{"query ", "payload: "} {
			if strings.HasPrefix(name, many) {
				name = many + "…"
			}
		}
		if there[name] = true; !named[name] {
			t.Errorf("README.md does not name the row %q", name)
		}
	}
	for name := range named {
		if !there[name] {
			t.Errorf("README.md names %q, which is no row", name)
		}
	}
	tests := map[string]bool{}
	root := os.DirFS("../../..")
	for _, folder := range []string{"actors", "messages/peerjs", "transport", "web"} {
		files, err := fs.Glob(root, folder+"/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		more, _ := fs.Glob(root, folder+"/cluster/*_test.go")
		for _, file := range append(files, more...) {
			source, err := fs.ReadFile(root, file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
				tests[m[1]] = true
			}
		}
	}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1) {
		if !tests[m[1]] {
			t.Errorf("README.md names %s, which is no test", m[1])
		}
	}
}

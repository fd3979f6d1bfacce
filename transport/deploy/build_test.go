package deploy

import (
	"bytes"
	"debug/buildinfo"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// cold makes the second build of the program compile all packages again, which takes a minute of processor time.
var cold = flag.Bool("cold", false, "build with an empty cache, too")

// clone makes a clone of this repository's last commit.
func clone(t *testing.T, folder string) {
	t.Helper()
	output(t, exec.CommandContext(t.Context(), "git", "clone", "-q", "../..", folder))
}

// script returns a command that runs a script of a clone's transport/deploy.
func script(t *testing.T, clone, name string, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), filepath.Join(clone, "transport/deploy", name), arguments...)
	c.Dir = t.TempDir()
	return c
}

// The tests of what is built share one build.
func TestWhatIsBuilt(t *testing.T) {
	long(t)
	if runtime.GOOS != "linux" {
		t.Skip("the scripts are for Linux")
	}
	need(t, "git")
	folder := t.TempDir()
	source, out := filepath.Join(folder, "source"), filepath.Join(folder, "out")
	clone(t, source)
	output(t, script(t, source, "debian/package", out))
	packages, err := filepath.Glob(filepath.Join(out, "*.deb"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("the packages are %q, %v; wanted one", packages, err)
	}
	program := filepath.Join(out, "program")
	output(t, script(t, source, "build", program))

	t.Run("the same commit gives the same bytes", func(t *testing.T) { testSameBytes(t, program, packages[0]) })
	t.Run("the bill of materials", func(t *testing.T) { testBill(t, source, program) })
	t.Run("the configuration", func(t *testing.T) { testConfiguration(t, program) })
	t.Run("the image", func(t *testing.T) { testImage(t, source, program) })
	t.Run("the Debian package", func(t *testing.T) { testDebian(t, program, packages[0]) })
}

// testSameBytes builds again, in another folder and in another environment.
func testSameBytes(t *testing.T, program, archive string) {
	folder := t.TempDir()
	source, out := filepath.Join(folder, "another", "name"), filepath.Join(folder, "out")
	clone(t, source)
	again := script(t, source, "build", filepath.Join(out, "program"))
	again.Env = append(os.Environ(), "HOME="+folder, "GOFLAGS=-tags=other -ldflags=-X=main.name=other", "GOAMD64=v3", "GOARM64=v9.0", "CGO_ENABLED=1",
		"GODEBUG=http2client=0", "GOOS=windows", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	for _, kept := range []string{"GOCACHE", "GOMODCACHE"} {
		again.Env = append(again.Env, kept+"="+strings.TrimSpace(string(output(t, exec.CommandContext(t.Context(), "go", "env", kept)))))
	}
	if *cold {
		again.Env = append(again.Env, "GOCACHE="+filepath.Join(folder, "cache"))
	}
	output(t, again)
	if !bytes.Equal(content(t, program), content(t, filepath.Join(out, "program"))) {
		t.Error("the programs differ")
	}
	packed := script(t, source, "debian/package", out)
	packed.Env = append(os.Environ(), "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1")
	output(t, packed)
	if !bytes.Equal(content(t, archive), content(t, filepath.Join(out, filepath.Base(archive)))) {
		t.Error("the packages differ")
	}
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	all, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func testBill(t *testing.T, source, program string) {
	bill := strings.Split(strings.TrimSpace(string(output(t, script(t, source, "sbom", program)))), "\n")
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"go " + strings.TrimPrefix(info.GoVersion, "go"), info.Main.Path + " " + info.Main.Version}
	licences := string(output(t, script(t, source, "licences", program)))
	sums := string(content(t, filepath.Join(source, "go.sum")))
	for _, module := range info.Deps {
		line := module.Path + " " + module.Version + " " + module.Sum
		if module.Sum == "" || !strings.Contains(sums, line+"\n") {
			t.Errorf("go.sum does not have %s", line)
		}
		if !strings.Contains(licences, "=== "+module.Path+" "+module.Version+"\n\n") {
			t.Errorf("there is no licence of %s", module.Path)
		}
		want = append(want, line)
	}
	if len(info.Deps) < 10 || !slices.Equal(bill, want) {
		t.Errorf("the bill is\n%s\nwanted\n%s", strings.Join(bill, "\n"), strings.Join(want, "\n"))
	}
	if revision := strings.TrimSpace(string(output(t, exec.CommandContext(t.Context(), "git", "-C", source, "rev-parse", "--short=12", "HEAD")))); !strings.HasSuffix(info.Main.Version, revision) {
		t.Errorf("the version is %q; wanted one of revision %s", info.Main.Version, revision)
	}
}

// testConfiguration gives the program the packaged configuration, as it is and with each part that is switched off in it.
func testConfiguration(t *testing.T, program string) {
	for _, part := range strings.Split(read(t, "p2p-messaging.toml"), "\n\n") {
		file := filepath.Join(t.TempDir(), "p2p-messaging.toml")
		write(t, file, regexp.MustCompile(`(?m)^# (\S+ = )`).ReplaceAllString(part, "$1"), 0o600)
		output(t, exec.CommandContext(t.Context(), program, "serve", "--config", file, "--print-config"))
	}
}

func TestOneVersionOfGoBuilds(t *testing.T) {
	pinned := regexp.MustCompile(`GOTOOLCHAIN=go(\S+)`).FindStringSubmatch(read(t, "build"))
	image := regexp.MustCompile(`GO_IMAGE=golang:([0-9.]+)-`).FindStringSubmatch(read(t, "Dockerfile"))
	if pinned == nil || image == nil || pinned[1] != image[1] {
		t.Errorf("the script builds by %q, the Dockerfile has %q", pinned, image)
	}
}

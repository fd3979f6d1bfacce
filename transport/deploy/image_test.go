package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stage is a stage of a Dockerfile, as tools/dockerfile prints it.
type stage struct {
	Name, Base   string
	Instructions []instruction
}

type instruction struct {
	Name   string
	Fields struct {
		CmdLine     []string
		SourcePaths []string
		DestPath    string
		From        string
		Chown       string
		User        string
		Path        string
		Env         []struct{ Key, Value string }
		Health      *struct{ Test []string }
	}
}

// stages returns the stages of the Dockerfile.
func stages(t *testing.T) (all []stage) {
	t.Helper()
	here, err := filepath.Abs("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(output(t, tool(t, "dockerfile", here)), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// container is what the last stage of the Dockerfile says of a container.
type container struct {
	user, folder string
	environment  []string
	command      []string // ENTRYPOINT and CMD
	health       []string
}

// testImage does what the Dockerfile says, without Docker: it runs the commands of the first stage in a clone, copies into an
// empty folder what the second one copies, and runs the program with that folder as its root.
func testImage(t *testing.T, source, program string) {
	if os.Getuid() != 0 {
		t.Skip("only root makes the image's files")
	}
	all := stages(t)
	if len(all) != 2 || all[1].Base != "scratch" {
		t.Fatalf("the stages are %+v; wanted two, the last one from scratch", all)
	}
	made := filepath.Join(t.TempDir(), "made")
	for _, i := range all[0].Instructions {
		if i.Name != "RUN" {
			continue // the sources are in the clone already
		}
		c := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(i.Fields.CmdLine[0], " /image", " "+made))
		c.Dir, c.Env = source, append(os.Environ(), "TARGETARCH="+runtime.GOARCH)
		output(t, c)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var says container
	for _, i := range all[1].Instructions {
		switch f := i.Fields; i.Name {
		case "COPY":
			from := filepath.Join(made, strings.TrimPrefix(f.SourcePaths[0], "/image"))
			to := filepath.Join(root, f.DestPath)
			if f.From != all[0].Name || len(f.SourcePaths) != 1 || !strings.HasPrefix(f.SourcePaths[0], "/image") {
				t.Fatalf("the image has something that is not in /image: %+v", f)
			}
			output(t, exec.CommandContext(t.Context(), "cp", "-a", from+"/.", to))
			if f.Chown != "" {
				output(t, exec.CommandContext(t.Context(), "chown", "-R", f.Chown, to))
			}
		case "USER":
			says.user = f.User
		case "WORKDIR":
			says.folder = f.Path
		case "ENV":
			for _, e := range f.Env {
				says.environment = append(says.environment, e.Key+"="+e.Value)
			}
		case "ENTRYPOINT", "CMD":
			says.command = append(says.command, f.CmdLine...)
		case "HEALTHCHECK":
			says.health = f.Health.Test[1:] // after CMD
		}
	}
	if string(content(t, filepath.Join(root, "usr/bin/p2p-messaging"))) != string(content(t, program)) {
		t.Error("the image has another program than the package")
	}
	if says.user != "65532:65532" {
		t.Errorf("the user is %q; wanted one without rights", says.user)
	}
	if authorities := content(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); !strings.Contains(string(authorities), "BEGIN CERTIFICATE") {
		t.Error("the image has no certificate authorities")
	}
	if len(says.health) == 0 {
		t.Fatal("the image has no health check")
	}
	says.run(t, root)
}

package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheLineHasWhatTheBuildKnows(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, "program v1"},
		{[]debug.BuildSetting{revision}, "program v1, revision abc"},
		{[]debug.BuildSetting{revision, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "false"}}, "program v1, revision abc of 2026-01-02T03:04:05Z"},
		{[]debug.BuildSetting{revision, {Key: "vcs.modified", Value: "true"}}, "program v1, revision abc, modified"},
	} {
		info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1"}, Settings: c.settings}
		if got, want := line("program", info), c.want+", go1.26.0, "+runtime.GOOS+"/"+runtime.GOARCH; got != want {
			t.Errorf("the line is %q; wanted %q", got, want)
		}
	}
}

package logs

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport/internal/locked"
)

func TestAFloodWritesNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out locked.Buffer
		logger := slog.New(Bound(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		other := logger.With("part", "other")
		other.Warn("flood")
		for i := range 5000 {
			logger.Warn("flood", slog.Int("number", i))
			other.Warn("flood", slog.Int("number", i))
			logger.Debug("debug")
		}
		logger.Error("rare")
		if n := strings.Count(out.String(), "msg=flood"); n != most {
			t.Errorf("%d lines of the flood are written, want %d", n, most)
		}
		if n := strings.Count(out.String(), "msg=debug"); n != 5000 {
			t.Errorf("%d lines at debug level are written, want all", n)
		}
		if !strings.Contains(out.String(), "msg=rare") {
			t.Error("another line is left out")
		}
		out.Reset()
		time.Sleep(interval + time.Millisecond)
		synctest.Wait()
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=WARN msg="more lines like one before were left out" line=flood times=9991`) || strings.Contains(got, "part") {
			t.Errorf("after the interval it writes %q", got)
		}
		out.Reset()
		logger.Warn("flood")
		time.Sleep(2 * interval)
		synctest.Wait()
		if got := out.String(); strings.Count(got, "\n") != 1 {
			t.Errorf("a single line later is written as %q", got)
		}
	})
}

func TestTheMessagesThatAreCountedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out locked.Buffer
		logger := slog.New(Bound(slog.NewTextHandler(&out, nil)))
		for i := range 2 * maxMessages {
			logger.Info(fmt.Sprint("message ", i))
		}
		if n := strings.Count(out.String(), "\n"); n != maxMessages+most {
			t.Errorf("%d lines are written, want %d", n, maxMessages+most)
		}
		out.Reset()
		time.Sleep(2 * interval)
		synctest.Wait()
		if got, want := out.String(), fmt.Sprintf(`line="(of many kinds)" times=%d`, maxMessages-most); !strings.Contains(got, want) {
			t.Errorf("after the interval it writes %q, want %q", got, want)
		}
	})
}

func TestAFloodAtDebugLevelLeavesNoWarningOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out locked.Buffer
		logger := slog.New(Bound(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		for i := range 3 * maxMessages { // as those of net/http about TLS handshakes, which have addresses in them
			logger.Debug(fmt.Sprint("message ", i))
		}
		logger.Warn("something that an operator acts on")
		if !strings.Contains(out.String(), "something that an operator acts on") {
			t.Error("the warning is left out")
		}
		time.Sleep(2 * interval)
		synctest.Wait()
	})
}

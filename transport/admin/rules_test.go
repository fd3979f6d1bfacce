package admin_test

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"p2p-messaging/actors/cluster"
	"p2p-messaging/transport/admin"
)

// The module in transport/deploy/prometheus reads the expressions with the parser of Prometheus. It holds that this pattern finds each
// metric in them.
func TestEachMetricOfTheRulesAndTheDashboardIsScraped(t *testing.T) {
	node := start(t)
	node.shown.Cluster = new(cluster.Cluster)
	node.handler = admin.New(node.shown, admin.Options{Logger: slog.New(slog.DiscardHandler), Loopback: true})
	families := node.scrape(t)
	names := regexp.MustCompile(`\b(p2p|go|process)_[a-z0-9_]+`)
	for _, file := range []string{"../deploy/prometheus/alerts.yml", "../deploy/grafana/p2p-messaging.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := names.FindAllString(string(text), -1)
		for _, name := range found {
			_, ok := families[name]
			if family, isBucket := strings.CutSuffix(name, "_bucket"); isBucket {
				ok = families[family].GetType().String() == "HISTOGRAM"
			}
			if !ok {
				t.Errorf("%s names %s, which no scrape has", file, name)
			}
		}
		if len(found) < 10 {
			t.Errorf("%s names only %q", file, found)
		}
	}
}

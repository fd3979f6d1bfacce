// Package prometheus checks the alert rules and the dashboard with the parsers of Prometheus, which promtool uses too. It is a module of
// its own, because they need many others.
package prometheus

import (
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// known are the metrics that a service has or that Prometheus adds. A test of package admin holds that a scrape has those of the
// service.
func known() *regexp.Regexp { return regexp.MustCompile(`^(up|(p2p|go|process)_[a-z0-9_]+)$`) }

// check reads an expression, and checks the names of its metrics.
func check(t *testing.T, where, expression string) {
	t.Helper()
	read, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, expression)
		return
	}
	selectors := 0
	parser.Inspect(read, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			selectors++
			if !known().MatchString(selector.Name) {
				t.Errorf("%s: the metric %q is not one of the service", where, selector.Name)
			}
		}
		return nil
	})
	if selectors == 0 {
		t.Errorf("%s: there is no metric in %s", where, expression)
	}
}

func TestTheAlertRulesAreValid(t *testing.T) {
	text, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups, faults := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, fault := range faults {
		t.Error(fault)
	}
	if groups == nil || len(groups.Groups) == 0 {
		t.Fatal("there are no rules")
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			check(t, rule.Alert, rule.Expr)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s says too little: %+v", rule.Alert, rule)
			}
		}
	}
}

func TestTheDashboardAsksWhatPrometheusUnderstands(t *testing.T) {
	text, err := os.ReadFile("../grafana/p2p-messaging.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", "any")
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("the panel %+v", panel)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("the panel %s shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			check(t, panel.Title, variables.Replace(target.Expr))
		}
	}
	if len(ids) < 10 {
		t.Errorf("the dashboard has %d panels", len(ids))
	}
}

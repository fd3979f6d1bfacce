package admin

import (
	"bytes"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapes returns what answers scrapes.
func scrapes(s Service, logger *slog.Logger) http.Handler {
	c, err := newCollector(s)
	if err != nil {
		logger.Error("the metrics cannot be read", slog.Any("error", err))
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "The metrics cannot be read. The log of the service says why.", http.StatusInternalServerError)
		})
	}
	return tell(&recent{gatherer: c}, logger)
}

// tell returns what answers requests with the metrics of a gatherer.
func tell(g prometheus.Gatherer, logger *slog.Logger) http.Handler {
	return whole(promhttp.HandlerForTransactional(&exclusive{gatherer: g}, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(logger.Handler(), slog.LevelError),
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
		DisableCompression:  true, // an answer has some 20 KB, and a compressor takes 800 KB of memory
	}))
}

// whole sends the answers of a handler when they are complete. So the handler never waits for a client.
func whole(next http.Handler) http.Handler {
	var bodies sync.Pool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := bodies.Get().(*bytes.Buffer)
		if body == nil {
			body = new(bytes.Buffer)
		}
		defer bodies.Put(body)
		body.Reset()
		a := &answer{Buffer: body, header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(a, r)
		a.header.Set("Content-Length", strconv.Itoa(body.Len()))
		w.WriteHeader(a.status)
		_, _ = w.Write(body.Bytes())
	})
}

// answer is an answer that is not complete.
type answer struct {
	*bytes.Buffer
	header http.Header
	status int
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) { a.status = status }

// Package figures has the figures of a load test. It counts and measures ([Snapshot], [Distribution]), holds
// what came out of a run ([Result]), checks it ([Check]) and writes it as JSON ([Document]). It also writes numbers for
// people.
package figures

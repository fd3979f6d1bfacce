// Package netns makes network namespaces (network_namespaces(7)) for tests: computers with networks of their own, on one machine. The
// page's tests and those of several nodes share it. It needs Linux and root.
package netns

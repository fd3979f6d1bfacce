// Package messages is the signaling protocol: the grammar of what clients and
// the service say to each other, and nothing about what it makes them do.
package messages

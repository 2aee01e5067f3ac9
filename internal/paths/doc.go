// Package paths knows where fx keeps what it fetches, and makes paths absolute.
package paths

// Package paths knows where fx keeps what it fetches.
package paths

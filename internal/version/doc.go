// Package version has the version of fx, for records and for `fx --version`.
package version

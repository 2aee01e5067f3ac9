//go:build !unix

package photoio

func outOfDescriptors(error) bool { return false }

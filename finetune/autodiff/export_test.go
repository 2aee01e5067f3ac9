package autodiff

// HasKernel reports whether package kernels has a faster form of an op's rule.
func HasKernel(op string) bool { _, ok := kernelRules[op]; return ok }

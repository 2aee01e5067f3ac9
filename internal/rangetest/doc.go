// Package rangetest finds a learning rate by the range test: Run trains for a few steps while the rate rises, and
// suggests the rate at which the loss falls fastest.
//
// Source: Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186, 2015), section
// 3.3. The geometric rise, the averaged loss, the end of the test and the rule are those of fastai's lr_find with its
// suggestion "steep", with one difference: the slope is that of a line through a power of ten, not through two
// neighbours, which is noise if batches are small.
package rangetest

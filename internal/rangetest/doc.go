// Package rangetest finds a learning rate by the range test: train a little while
// the rate rises, and look where the loss falls.
//
//	result, err := rangetest.Run(ctx, rangetest.Defaults(), func(ctx context.Context, repeat int) (rangetest.Update, error) {
//		training := begin(repeat)
//		return training.step, nil // at a rate, which returns the loss before
//	})
//	fmt.Println(result.Suggestion)
//
// Source: Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks"
// (arXiv 1506.01186, 2015), section 3.3. The rising by a factor, the smoothed loss, the
// end of the test and the rule are those of fastai's lr_find with its suggestion
// "steep", but that the slope is of a line through a power of ten and not through two
// neighbours, which says little where batches are small.
package rangetest

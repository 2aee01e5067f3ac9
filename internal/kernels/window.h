// The attributes of convolutions and poolings over two spatial axes.
#ifndef FX_KERNELS_WINDOW_H
#define FX_KERNELS_WINDOW_H

#include "ort.h"

// fx_read_window reads kernel_shape, strides, dilations, pads and group.
static inline void fx_read_window(const OrtApi *api, const OrtKernelInfo *info, fx_window *w) {
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, pads[4] = {0};
  fx_ints(api, info, "kernel_shape", kernel, 2);
  fx_ints(api, info, "strides", stride, 2);
  fx_ints(api, info, "dilations", dilation, 2);
  fx_ints(api, info, "pads", pads, 4);
  w->groups = 1;
  fx_int(api, info, "group", &w->groups);
  w->kernel_h = kernel[0], w->kernel_w = kernel[1];
  w->stride_h = stride[0], w->stride_w = stride[1];
  w->dilation_h = dilation[0], w->dilation_w = dilation[1];
  w->top = pads[0], w->left = pads[1];
}

// fx_set_input and fx_set_output take the sizes from [batch, channels, height, width].
static inline void fx_set_input(fx_window *w, const int64_t *dims) {
  w->batch = dims[0], w->channels = dims[1], w->height = dims[2], w->width = dims[3];
}
static inline void fx_set_output(fx_window *w, const int64_t *dims) {
  w->outputs = dims[1], w->out_height = dims[2], w->out_width = dims[3];
}

#endif

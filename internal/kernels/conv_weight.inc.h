// The gradient of a convolution's weight, dW[o, i, tap] = Σ dY[o, p] X[i, place of tap at p] over the places p of all
// images, is a product of two matrices: dY, and for every input channel and tap what the tap reads at p ("columns", as
// im2col has them). For the cache, a block of columns is packed a piece of places at a time, and multiplied with all
// of dY's rows. An extra column of ones yields the gradient of a bias.

enum { PIECE_PLACES = 256 };

// The number of lines of places in a piece.
INLINE int64_t lines_of_piece(const fx_window *w) {
  int64_t lines = PIECE_PLACES / w->out_width;
  return lines < 1 ? 1 : lines;
}

static int64_t conv_weight_scratch(const fx_window *w) {
  int64_t length = round_up(lines_of_piece(w) * w->out_width, LANES);
  return (BLOCK + LANES + ROWS) * (length + LANES) + LANES;
}

// pack_column writes what a tap reads along some lines of places.
static void pack_column(float *to, const fx_window *w, const float *x, int64_t channel, int64_t kh, int64_t kw,
                        int64_t line, int64_t lines) {
  const int64_t ow = w->out_width, left = kw * w->dilation_w - w->left, stride = w->stride_w;
  int64_t from = left >= 0 ? 0 : (-left + stride - 1) / stride; // the first place inside
  int64_t end = left >= w->width ? 0 : (w->width - 1 - left) / stride + 1;
  if (from > ow) from = ow;
  if (end > ow) end = ow;
  if (end < from) end = from;
  int64_t image = line / w->out_height, row = line % w->out_height;
  for (int64_t i = 0; i < lines; i++, to += ow) {
    int64_t at = row * w->stride_h + kh * w->dilation_h - w->top;
    if (at < 0 || at >= w->height) {
      memset(to, 0, (size_t)ow * 4);
    } else {
      const float *source = x + ((image * w->channels + channel) * w->height + at) * w->width + left;
      for (int64_t j = 0; j < from; j++) to[j] = 0;
      if (stride == 1) {
        copy_run(to + from, source + from, end - from);
      } else {
        int64_t j = from;
        for (; stride == 2 && j + LANES < end; j += LANES) // reads up to the tap of place end - 1
          store(to + j, even_lanes(load(source + 2 * j), load(source + 2 * j + LANES)));
        for (; j < end; j++) to[j] = source[j * stride];
      }
      for (int64_t j = end; j < ow; j++) to[j] = 0;
    }
    if (++row == w->out_height) row = 0, image++;
  }
}

// pack_row copies dY's row of an output along some lines of places.
static void pack_row(float *to, const fx_window *w, const float *dy, int64_t output, int64_t line, int64_t lines) {
  int64_t image = line / w->out_height, row = line % w->out_height;
  while (lines > 0) {
    int64_t run = w->out_height - row; // lines of one image are contiguous
    if (run > lines) run = lines;
    copy_run(to, dy + ((image * w->outputs + output) * w->out_height + row) * w->out_width, run * w->out_width);
    to += run * w->out_width, lines -= run, row = 0, image++;
  }
}

// pack_block writes a block's columns, place by place: [place][BLOCK]. strip has room for LANES columns. The column
// after the last tap is all ones.
static void pack_block(float *to, float *strip, int64_t pitch, const fx_conv_weight_part *part, int64_t line,
                       int64_t lines) {
  const fx_window *w = &part->window;
  const int64_t taps = w->kernel_h * w->kernel_w, per_group = w->channels / w->groups, places = lines * w->out_width;
  for (int64_t c = 0; c < part->count; c += LANES) {
    for (int64_t i = 0; i < LANES; i++) {
      float *column = strip + i * pitch;
      int64_t number = part->first + c + i;
      if (c + i >= part->count || number >= per_group * taps)
        for (int64_t j = 0; j < places; j++) column[j] = c + i < part->count;
      else
        pack_column(column, w, part->x, part->group * per_group + number / taps, number % taps / w->kernel_w,
                    number % w->kernel_w, line, lines);
    }
    for (int64_t j = 0; j < places; j += LANES) transpose(strip + j, pitch, to + j * BLOCK + c, BLOCK);
  }
}

static void conv_weight(const fx_conv_weight_part *part) {
  const fx_window *w = &part->window;
  const int64_t outputs = w->outputs / w->groups, columns = round_up(part->count, LANES), longest = lines_of_piece(w);
  const int64_t pitch = round_up(longest * w->out_width, LANES) + LANES;
  float *block = (float *)round_up((int64_t)(uintptr_t)part->scratch, BYTES);
  float *strip = block + BLOCK * pitch, *rows = strip + LANES * pitch;
  for (int64_t done = 0; done < part->lines; done += longest) {
    int64_t line = part->line + done, lines = part->lines - done < longest ? part->lines - done : longest;
    int64_t image = line / w->out_height;
    const int within = image == (line + lines - 1) / w->out_height;
    pack_block(block, strip, pitch, part, line, lines);
    for (int64_t o = 0; o < outputs; o += ROWS) {
      const int64_t first = part->group * outputs + o;
      product p = {
          .rows = rows,
          .row_pitch = pitch,
          .columns = block,
          .column_pitch = BLOCK,
          .count = lines * w->out_width,
          .to = part->to + o * BLOCK,
          .to_pitch = BLOCK,
          .add = done > 0,
      };
      if (within && o + ROWS <= outputs) { // dY already has the needed layout
        p.row_pitch = w->out_height * w->out_width;
        p.rows = part->dy + ((image * w->outputs + first) * w->out_height + line % w->out_height) * w->out_width;
      } else {
        for (int64_t r = 0; r < ROWS; r++) {
          if (o + r < outputs)
            pack_row(rows + r * pitch, w, part->dy, first + r, line, lines);
          else
            memset(rows + r * pitch, 0, (size_t)p.count * 4);
        }
      }
      multiply_matrices(&p, columns);
    }
  }
}

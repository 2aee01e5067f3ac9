// The gradient of a convolution's weight, dW[o, i, tap] = Σ dY[o, p] X[i, place
// of tap at p] over the places p of all images, is a product of two matrices
// whose rows run along p: those of dY, and for every input channel and tap what
// the tap reads at p ("columns", as im2col has them). The rows are cut into
// pieces that fit a core's caches; a piece of the columns is laid out once and
// multiplied with all of dY's rows. One more column of ones gives the bias's
// gradient.

#if LANES == 16
enum { ROWS = 5, COLUMNS = 5 }; // 25 sums, 5 rows and a column fill 32 registers
#else
enum { ROWS = 3, COLUMNS = 4 }; // 12 + 3 + 1 fill 16
#endif

enum { PIECE = 512 }; // places of a piece, about

// The lines of places that make up a piece, and its length in floats.
INLINE int64_t lines_of_piece(const fx_window *w) {
  int64_t lines = PIECE / w->out_width;
  return lines < 1 ? 1 : lines;
}
INLINE int64_t piece_length(const fx_window *w) { return round_up(lines_of_piece(w) * w->out_width, LANES); }

static int64_t conv_weight_scratch(const fx_window *w, int64_t columns) {
  return (round_up(columns, COLUMNS) + ROWS) * piece_length(w) + 2 * LANES;
}

// lay_column writes what a tap reads along the lines of a piece.
static void lay_column(float *to, const fx_window *w, const float *x, int64_t channel, int64_t kh, int64_t kw,
                       int64_t line, int64_t lines) {
  const int64_t ow = w->out_width, left = kw * w->dilation_w - w->left, stride = w->stride_w;
  int64_t from = left >= 0 ? 0 : (-left + stride - 1) / stride; // the first place inside
  int64_t to_end = left >= w->width ? 0 : (w->width - 1 - left) / stride + 1;
  if (from > ow) from = ow;
  if (to_end > ow) to_end = ow;
  if (to_end < from) to_end = from;
  int64_t image = line / w->out_height, row = line % w->out_height;
  for (int64_t i = 0; i < lines; i++, to += ow) {
    int64_t at = row * w->stride_h + kh * w->dilation_h - w->top;
    if (at < 0 || at >= w->height) {
      memset(to, 0, (size_t)ow * 4);
    } else {
      const float *source = x + ((image * w->channels + channel) * w->height + at) * w->width + left;
      for (int64_t j = 0; j < from; j++) to[j] = 0;
      if (stride == 1) {
        copy_run(to + from, source + from, to_end - from);
      } else {
        for (int64_t j = from; j < to_end; j++) to[j] = source[j * stride];
      }
      for (int64_t j = to_end; j < ow; j++) to[j] = 0;
    }
    if (++row == w->out_height) row = 0, image++;
  }
}

// lay_row copies dY's row of an output along the lines of a piece.
static void lay_row(float *to, const fx_window *w, const float *dy, int64_t output, int64_t line, int64_t lines) {
  int64_t image = line / w->out_height, row = line % w->out_height;
  while (lines > 0) {
    int64_t run = w->out_height - row; // lines of one image follow one another
    if (run > lines) run = lines;
    const float *source = dy + ((image * w->outputs + output) * w->out_height + row) * w->out_width;
    copy_run(to, source, run * w->out_width);
    to += run * w->out_width, lines -= run, row = 0, image++;
  }
}

#if LANES == 16
// sums adds up the lanes of 16 vectors at once: lane i of the result is the sum
// of v[i]. Each step folds pairs of vectors into one.
INLINE vec sums(const vec *v) {
  vec a[8], b[4], c[2];
  UNROLL for (int i = 0; i < 8; i++)
    a[i] = SHUFFLE(v[2 * i], v[2 * i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
           SHUFFLE(v[2 * i], v[2 * i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  UNROLL for (int i = 0; i < 4; i++)
    b[i] = SHUFFLE(a[2 * i], a[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
           SHUFFLE(a[2 * i], a[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  UNROLL for (int i = 0; i < 2; i++)
    c[i] = SHUFFLE(b[2 * i], b[2 * i + 1], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
           SHUFFLE(b[2 * i], b[2 * i + 1], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  return SHUFFLE(c[0], c[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
         SHUFFLE(c[0], c[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
#endif

// ROWS rows of a piece: their first places lie at body, pitch floats apart, and
// the last vector of each, filled up with zeros, in tail.
typedef struct {
  const float *body;
  int64_t pitch;
  float tail[ROWS * LANES] __attribute__((aligned(BYTES)));
} row_tile;

INLINE void add_products(vec *sum, const float *rows, int64_t pitch, const float *columns, int64_t length) {
  vec row[ROWS];
  UNROLL for (int r = 0; r < ROWS; r++) row[r] = load(rows + r * pitch);
  UNROLL for (int c = 0; c < COLUMNS; c++) {
    vec column = load(columns + c * length);
    UNROLL for (int r = 0; r < ROWS; r++) sum[r * COLUMNS + c] += row[r] * column;
  }
}

// multiply gives the inner products of a tile's rows with COLUMNS columns. All
// loops over sums are unrolled, so that the sums stay in registers.
static void multiply(const row_tile *rows, const float *columns, int64_t length, float *products) {
  vec sum[32];
  UNROLL for (int i = 0; i < 32; i++) sum[i] = (vec){0};
  int64_t k = 0;
  for (; k < length - LANES; k += LANES) add_products(sum, rows->body + k, rows->pitch, columns + k, length);
  add_products(sum, rows->tail, LANES, columns + k, length);
#if LANES == 16
  store(products, sums(sum));
  store_part(products + 16, sums(sum + 16), ROWS * COLUMNS - 16);
#else
  UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) {
    float total = 0;
    UNROLL for (int j = 0; j < LANES; j++) total += sum[i][j];
    products[i] = total;
  }
#endif
}

static void conv_weight(const fx_conv_weight_part *part) {
  const fx_window *w = &part->window;
  const int64_t taps = w->kernel_h * w->kernel_w, per_group = w->channels / w->groups;
  const int64_t width = per_group * taps + 1, outputs = w->outputs / w->groups;
  const int64_t columns = round_up(part->count, COLUMNS), longest = lines_of_piece(w);
  float *aligned = (float *)(((uintptr_t)part->scratch + BYTES - 1) / BYTES * BYTES);
  for (int64_t done = 0; done < part->lines; done += longest) {
    int64_t line = part->line + done, lines = part->lines - done < longest ? part->lines - done : longest;
    int64_t used = lines * w->out_width, length = round_up(used, LANES);
    float *piece = aligned, *laid = aligned + columns * length;
    const int within = line / w->out_height == (line + lines - 1) / w->out_height; // one image
    for (int64_t c = 0; c < columns; c++) {
      float *to = piece + c * length;
      int64_t column = part->first + c;
      if (c >= part->count) {
        memset(to, 0, (size_t)used * 4);
      } else if (column == width - 1) {
        for (int64_t i = 0; i < used; i++) to[i] = 1;
      } else {
        lay_column(to, w, part->x, part->group * per_group + column / taps, column % taps / w->kernel_w,
                   column % w->kernel_w, line, lines);
      }
      for (int64_t i = used; i < length; i++) to[i] = 0;
    }
    for (int64_t o = 0; o < outputs; o += ROWS) {
      row_tile rows = {laid, length, {0}};
      const int64_t first = part->group * outputs + o, body = length - LANES;
      if (within && o + ROWS <= outputs) { // they lie in dY as they are wanted
        rows.pitch = w->out_height * w->out_width;
        rows.body = part->dy + ((line / w->out_height * w->outputs + first) * w->out_height + line % w->out_height) * w->out_width;
      } else {
        for (int64_t r = 0; r < ROWS; r++) {
          if (o + r < outputs)
            lay_row(laid + r * length, w, part->dy, first + r, line, lines);
          else
            memset(laid + r * length, 0, (size_t)used * 4);
        }
      }
      for (int64_t r = 0; r < ROWS; r++)
        for (int64_t i = body; i < used; i++) rows.tail[r * LANES + i - body] = rows.body[r * rows.pitch + i];
      for (int64_t c = 0; c < columns; c += COLUMNS) {
        float products[ROWS * COLUMNS];
        multiply(&rows, piece + c * length, length, products);
        for (int64_t r = 0; r < ROWS && o + r < outputs; r++) {
          float *to = part->to + (part->group * outputs + o + r) * width + part->first + c;
          for (int64_t i = 0; i < COLUMNS && c + i < part->count; i++)
            to[i] = (done ? to[i] : 0) + products[r * COLUMNS + i];
        }
      }
    }
  }
}

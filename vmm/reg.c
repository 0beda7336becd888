/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/reg.h"

void reg_reset(struct reg_file *f)
{
	for (unsigned i = 0; i < f->n; i++)
		f->val[i] = f->desc[i].reset;
}

static bool takes(const struct reg_file *f, u64 off, unsigned size)
{
	return (size == 4 || size == 8) && (f->sizes & size) && IS_ALIGNED(off, size) && off + size > off;
}

/* The first register that ends after off; f->n if there is none. */
static unsigned first(const struct reg_file *f, u64 off)
{
	unsigned lo = 0, hi = f->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (f->desc[mid].off + (u64)f->desc[mid].size <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * Accesses and registers are 4 or 8 bytes at multiples of 4, so their overlap starts at a multiple of 4 in both; the shifts below
 * are 0 or 32. An access to the upper half of a register sees it shifted down, the second register of a wide access is shifted up.
 */
static u64 to_access(const struct reg_desc *r, u64 off, u64 val)
{
	return r->off >= off ? val << (8 * (r->off - off)) : val >> (8 * (off - r->off));
}

static u64 to_reg(const struct reg_desc *r, u64 off, u64 val)
{
	val = r->off >= off ? val >> (8 * (r->off - off)) : val << (8 * (off - r->off));
	return val & size_mask(r->size);
}

u64 reg_read(const struct reg_file *f, u64 off, unsigned size)
{
	u64 val = 0;

	if (!takes(f, off, size))
		return 0;
	for (unsigned i = first(f, off); i < f->n && f->desc[i].off < off + size; i++)
		val |= to_access(&f->desc[i], off, f->val[i]);
	return val & size_mask(size);
}

void reg_write(struct reg_file *f, u64 off, unsigned size, u64 val, reg_written_fn fn, void *ctx)
{
	if (!takes(f, off, size))
		return;
	val &= size_mask(size);
	for (unsigned i = first(f, off); i < f->n && f->desc[i].off < off + size; i++) {
		const struct reg_desc *r = &f->desc[i];
		u64 touched = to_reg(r, off, size_mask(size)), written = to_reg(r, off, val);
		u64 v = f->val[i];

		v = (v & ~(r->rw & touched)) | (written & r->rw);
		v &= ~(written & r->w1c);
		f->val[i] = v;
		fn(ctx, i, written);
	}
}

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

const char *reg_table_fault(const struct reg_desc *desc, unsigned n, u32 file_len)
{
	for (unsigned i = 0; i < n; i++) {
		const struct reg_desc *r = &desc[i];

		if ((r->size != 4 && r->size != 8) || r->off % r->size)
			return "size or alignment";
		if (r->off + r->size > file_len || (i && r->off < desc[i - 1].off + desc[i - 1].size))
			return "order or overlap";
		if ((r->rw & r->w1c) || (r->rw & r->wo) || (r->w1c & r->wo))
			return "a bit in two masks";
		if ((r->rw | r->w1c | r->wo | r->reset) & ~size_mask(r->size))
			return "wider than the register";
		for (unsigned j = 0; j < i; j++) {
			if (same(desc[j].name, r->name))
				return "name used twice";
		}
	}
	return NULL;
}

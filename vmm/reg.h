/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Register files described by tables: one row per register says where it is, how wide, and which bits do what.
 *
 * reg_read() and reg_write() are total: an access of a size or alignment that the file does not take, or where no register is,
 * reads zero and writes nothing. An access may cover half of a register or several registers; bytes that it does not touch stay.
 * The caller holds its device's lock.
 */
#ifndef NIDUS_REG_H
#define NIDUS_REG_H

#include "vmm/bits.h"

/* Bits of a register that are in none of the masks read their reset value and ignore writes. */
struct reg_desc {
	const char *name;
	u32 off;   /* bytes from the start of the file; a multiple of size */
	u8 size;   /* 4 or 8 bytes */
	u64 rw;    /* stored and read back */
	u64 w1c;   /* a written one clears the bit */
	u64 wo;    /* a written one is told to the caller and reads zero */
	u64 reset;
};

struct reg_file {
	const struct reg_desc *desc; /* ascending by off */
	unsigned n;
	u32 sizes; /* access sizes taken, ORed: 4 | 8; naturally aligned only */
	u64 *val;  /* n values; the owner may change them at any time under its lock */
};

/*
 * Called for each register that a write touched, in ascending order, after its value changed. written: the bits given, 0 where not
 * touched.
 */
typedef void (*reg_written_fn)(void *ctx, unsigned reg, u64 written);

/* All registers to their reset values. */
void reg_reset(struct reg_file *f);

/* Total: an access of a size not taken, misaligned or beyond the table reads 0 and writes nothing. The owner's lock held; fn is called under it. */
u64 reg_read(const struct reg_file *f, u64 off, unsigned size);
void reg_write(struct reg_file *f, u64 off, unsigned size, u64 val, reg_written_fn fn, void *ctx);

/*
 * NULL if the table is sound, else what is wrong with it: rows out of order or overlapping, off not a multiple of size, a bit in two masks,
 * a mask or reset value wider than the register, a name used twice. For unit tests.
 */
const char *reg_table_fault(const struct reg_desc *desc, unsigned n, u32 file_len);

#endif

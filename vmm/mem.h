/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM, and the one door to it. No other file turns a guest physical address into a pointer.
 *
 * RAM is anonymous memory, or huge pages of a shared memfd, cut into slots. Anonymous, because hosts give that transparent huge pages by
 * default and shared files none: a guest then faults RAM in 2 MiB at a time. Each slot is mapped congruent to its gpa modulo 1 GiB, so that KVM
 * and an IOMMU can use their largest pages. Slots are fixed once created; every function after mem_create() may be called from any thread without a lock.
 * Guest-visible structures are fetched once, by mem_read(), into locals, and judged there: another vCPU may change them at any time.
 */
#ifndef NIDUS_MEM_H
#define NIDUS_MEM_H

#include <sys/uio.h>

#include "vmm/bits.h"

#define MEM_MAX_SLOTS 4

struct mem_slot {
	gpa_t gpa;     /* first byte; 4 KiB aligned */
	u64 len;       /* bytes; a multiple of 4 KiB */
	void *hva;     /* for KVM_SET_USER_MEMORY_REGION and IOAS_MAP only */
	u64 fd_offset; /* of the slot within mem_fd(), if there is one */
};

struct mem;

/* What a caller wants from RAM: n ranges, ascending, disjoint. */
struct mem_range {
	gpa_t gpa;
	u64 len;
};

/*
 * Reserves RAM for n ranges (1 to MEM_MAX_SLOTS); pages are allocated when first touched. hugepages: from hugetlbfs (2 MiB), all
 * reserved now. -EINVAL for ranges that are unaligned, empty, unordered or overlapping; -ENOMEM if the host has not enough; nothing is left behind on failure.
 */
int mem_create(const struct mem_range *ranges, unsigned n, bool hugepages, struct mem **out) __must_check;
/* Nobody has a pointer into it any more. NULL is allowed. */
void mem_destroy(struct mem *m);

/* The slots, ascending, until mem_destroy(); returns how many. */
unsigned mem_slots(const struct mem *m, const struct mem_slot **slots);
/* The file that RAM is, -1: it is none. */
int mem_fd(const struct mem *m);
/* Bytes of all slots together. */
u64 mem_total_bytes(const struct mem *m);

/* The guest's address of a byte of host memory. 0, or -EFAULT: it is no RAM. Async-signal-safe. */
int mem_gpa(const struct mem *m, const void *hva, gpa_t *gpa) __must_check;

/* True if every byte of [gpa, gpa + len) is RAM. Total for all values; len 0 is true if gpa itself is RAM. */
bool mem_is_ram(const struct mem *m, gpa_t gpa, u64 len);

/*
 * Copies len bytes. All or nothing with respect to addresses: -EFAULT, and nothing copied, unless every byte is RAM. A range may
 * span adjacent slots. len 0 is 0. Bytes are copied in no particular order: use mem_load/mem_store where order matters.
 */
int mem_read(const struct mem *m, gpa_t gpa, void *buf, u64 len) __must_check;
int mem_write(const struct mem *m, gpa_t gpa, const void *buf, u64 len) __must_check;
int mem_zero(const struct mem *m, gpa_t gpa, u64 len) __must_check;

/*
 * Single-copy atomic little-endian access of 2, 4 or 8 bytes, naturally aligned; a load acquires, a store releases.
 * -EINVAL for another size or alignment, -EFAULT outside RAM.
 */
int mem_load(const struct mem *m, gpa_t gpa, unsigned size, u64 *val) __must_check;
int mem_store(const struct mem *m, gpa_t gpa, unsigned size, u64 val) __must_check;

/* Atomically replaces *gpa by new if it holds old (8 bytes, aligned, little endian). 0 done, -EAGAIN it held something else, -EFAULT, -EINVAL. */
int mem_cmpxchg64(const struct mem *m, gpa_t gpa, u64 old, u64 new_val) __must_check;

/*
 * Describes [gpa, gpa + len) as host memory for I/O: at most one entry per slot touched. Returns the number of entries,
 * -EFAULT if a byte is not RAM, -E2BIG if max is too small. The pointers stay valid until mem_destroy().
 * Their contents belong to the guest and change at any time: never parse through them.
 */
int mem_iov(const struct mem *m, gpa_t gpa, u64 len, struct iovec *iov, unsigned max) __must_check;

/*
 * Gives the host's pages of [gpa, gpa + len) back; RAM reads zero there afterwards. Pages that are only partly covered keep their memory. -EFAULT
 * unless every byte is RAM, or what the host says. Never while a device of the host has RAM pinned.
 */
int mem_discard(const struct mem *m, gpa_t gpa, u64 len) __must_check;

/* A host IOMMU has the pages from here on: mem_clear() then writes zeros into them instead of giving them back. */
void mem_pin(struct mem *m);

/*
 * Drops all contents (a reset): RAM reads zero again and the host's pages are given back, unless pinned. vCPUs paused, no device has a span.
 * -errno of the host: some may be left.
 */
int mem_clear(struct mem *m) __must_check;

#endif

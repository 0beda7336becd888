/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address to device. One bus for memory-mapped I/O, one for x86 ports.
 *
 * bus_read() and bus_write() are total: an access that is not wholly inside one region reads all ones and writes nothing. The region is
 * looked up under the bus's lock and called outside it, so a handler may add and remove regions (BAR moves). A region's device
 * must live as long as the bus. Thread: any.
 */
#ifndef NIDUS_BUS_H
#define NIDUS_BUS_H

#include <pthread.h>

#include "vmm/bits.h"

/* size is 1 to 8 bytes; off + size is within the region; no alignment is promised. Handlers take their own device's lock. */
struct region_ops {
	void (*read)(void *dev, u64 off, unsigned size, u64 *val);
	void (*write)(void *dev, u64 off, unsigned size, u64 val);
};

struct region {
	u64 base, len;
	const struct region_ops *ops;
	void *dev;
	const char *name; /* static string, for show memmap and messages */
};

/* What the kernel side (KVM) does for a bus; all may be NULL in tests: doorbells are then signalled by bus_write(). */
struct bus_hooks {
	/* A write of len bytes at addr (any value) signals fd, without an exit. 0 or -errno. */
	int (*ioeventfd)(void *ctx, u64 addr, unsigned len, int fd, bool add);
	/* Maps host memory at gpa for direct guest access; slot handles are the hook's. 0 or -errno. */
	int (*map)(void *ctx, gpa_t gpa, u64 len, void *hva, bool readonly, bool add);
};

struct bus_doorbell {
	u64 addr;
	unsigned len;
	int fd;
	bool in_kernel;
};

struct bus {
	pthread_rwlock_t lock;
	struct region *regions; /* sorted by base, disjoint */
	unsigned n, cap;
	struct bus_doorbell *bells;
	unsigned n_bells, cap_bells;
	const struct bus_hooks *hooks;
	void *hook_ctx;
	const char *name;
};

/* An empty bus; name: a static string. b is embedded in its owner. -ENOMEM. */
int bus_init(struct bus *b, const char *name) __must_check;
/* No access is under way. Regions and doorbells that are left are forgotten. */
void bus_fini(struct bus *b);

/* -EEXIST if it overlaps another region, -EINVAL if empty or wrapping, -ENOMEM. The struct is copied. */
int bus_add(struct bus *b, const struct region *r) __must_check;
/* Removes the region that starts at base; nothing if there is none. An access in flight may still be delivered. */
void bus_remove(struct bus *b, u64 base);

/* len 0 matches any size. Falls back to signalling from bus_write() where the kernel refuses. -ENOMEM. */
int bus_doorbell_add(struct bus *b, u64 addr, unsigned len, int fd) __must_check;
/* The same values as when it was added; nothing if there is none. fd stays the caller's. */
void bus_doorbell_del(struct bus *b, u64 addr, unsigned len, int fd);

/*
 * Direct mapping of len bytes of host memory, all page aligned. The memory must stay until bus_unmap(), with the same values. -ENOSYS without
 * hooks, else what KVM says (-ENOSPC, -EEXIST).
 */
int bus_map(struct bus *b, gpa_t gpa, u64 len, void *hva, bool readonly) __must_check;
void bus_unmap(struct bus *b, gpa_t gpa, u64 len, void *hva);

/* size 1 to 8. *val is always defined (masked to size). */
void bus_read(struct bus *b, u64 addr, unsigned size, u64 *val);
void bus_write(struct bus *b, u64 addr, unsigned size, u64 val);

/* For show memmap: calls fn for each region in ascending order, under the lock. */
void bus_for_each(struct bus *b, void (*fn)(const struct region *r, void *arg), void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
// wrap: fallocate io_uring_queue_init_params pwritev64v2 rate_now_ns
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vmm/config.h"
#include "vmm/log.h"

#define IMAGE_BYTES MiB(8)
#define SECTORS (IMAGE_BYTES / 512)

enum { T_IN, T_OUT, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13 };
enum { S_OK, S_IOERR, S_UNSUPP, S_NONE = 0xee };
enum { F_RO = 5, F_FLUSH = 9, F_WCE = 11, F_DISCARD = 13, F_ZEROES = 14 };

static bool no_uring, no_zero_range;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
	return no_uring ? -EPERM : __real_io_uring_queue_init_params(entries, ring, p);
}

int __real_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len)
{
	if (no_zero_range && (mode & FALLOC_FL_ZERO_RANGE)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_fallocate(fd, mode, off, len);
}

static bool full;

ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags)
{
	if (!full)
		return __real_pwritev64v2(fd, iov, n, off, flags);
	errno = ENOSPC;
	return -1;
}

static u64 now_ns = 1;

u64 __wrap_rate_now_ns(void);
u64 __wrap_rate_now_ns(void)
{
	return now_ns;
}

static struct drv d;
static int image;
static char path[32];

static struct disk_cfg config(void)
{
	return (struct disk_cfg){ .file = { .path = path, .fd = -1 }, .id = (char *)(uintptr_t)"vda-with-a-name-of-over-20" };
}

static void make_image(void)
{
	strcpy(path, "/tmp/nidus-vblk-XXXXXX");
	log_set_level(LOG_ERROR);
	image = mkstemp(path);
	assert_true(image >= 0);
	assert_int_equal(ftruncate(image, IMAGE_BYTES), 0);
	for (u64 i = 0; i < SECTORS; i += 97)
		assert_int_equal(pwrite(image, &i, sizeof(i), (off_t)(i * 512)), sizeof(i));
}

static int open_with(const struct disk_cfg *cfg)
{
	drv_open(&d);
	assert_int_equal(virtio_blk_create(&d.ctx, cfg), 0);
	drv_attach(&d);
	return 0;
}

static int setup(void **state)
{
	struct disk_cfg cfg;

	make_image();
	cfg = config();
	return open_with(&cfg);
}

static int setup_thread(void **state)
{
	int err;

	no_uring = true;
	err = setup(state);
	no_uring = false;
	return err;
}

static int setup_ro(void **state)
{
	struct disk_cfg cfg;

	make_image();
	cfg = config();
	cfg.ro = true;
	return open_with(&cfg);
}

static int setup_queues(void **state)
{
	struct disk_cfg cfg;

	make_image();
	cfg = config();
	cfg.queues = 4;
	return open_with(&cfg);
}

static int setup_limited(void **state)
{
	struct disk_cfg cfg;

	make_image();
	cfg = config();
	cfg.iops = 100;
	return open_with(&cfg);
}

static int teardown(void **state)
{
	drv_close(&d);
	assert_int_equal(d.live_spans, 0);
	close(image);
	unlink(path);
	return 0;
}

#define HDR DRV_DATA
#define STATUS (DRV_DATA + 0x100)
#define BUF (DRV_DATA + 0x1000)

/* Publishes header, data and status as a chain at head 0 of queue q, each in its own place for slot i. */
static void publish(unsigned q, u16 i, u32 type, u64 sector, u64 data, u32 len, bool in)
{
	u64 hdr = HDR + i * 16, status = STATUS + 0x800 + i;
	u16 head = (u16)(i * 3);

	drv_set_ram(&d, hdr, 8, type);
	drv_set_ram(&d, hdr + 8, 8, sector);
	drv_set_ram(&d, status, 1, S_NONE);
	drv_desc(&d, q, head, hdr, 16, F_NEXT, len ? head + 1 : head + 2);
	drv_desc(&d, q, head + 1, data, len, F_NEXT | (in ? F_WRITE : 0), head + 2);
	drv_desc(&d, q, head + 2, status, 1, F_WRITE, 0);
	drv_avail(&d, q, head);
}

static u8 status_at(u16 i)
{
	return (u8)drv_ram(&d, STATUS + 0x800 + i, 1);
}

static u8 request(u32 type, u64 sector, u64 data, u32 len, bool in)
{
	u16 before = drv_used_idx(&d, 0);

	publish(0, 0, type, sector, data, len, in);
	drv_kick(&d, 0);
	drv_wait(&d, 0, (u16)(before + 1));
	assert_int_equal(d.live_spans, 0);
	return status_at(0);
}

static u8 range_request(u32 type, u64 sector, u32 n, u32 flags)
{
	drv_set_ram(&d, BUF, 8, sector);
	drv_set_ram(&d, BUF + 8, 4, n);
	drv_set_ram(&d, BUF + 12, 4, flags);
	return request(type, 0, BUF, 16, false);
}

static void test_blk_config_describes_the_image(void **state)
{
	u64 cfg = d.bar + VIRTIO_BAR_DEVICE;

	assert_int_equal(drv_read(&d, cfg, 8), SECTORS);
	assert_int_equal(drv_read(&d, cfg + 20, 4), 512);
	assert_int_equal(drv_read(&d, cfg + 24, 1), 3);
	assert_int_equal(drv_read(&d, cfg + 34, 2), 1);
	assert_true(drv_offered(&d) & BIT(F_DISCARD));
	assert_false(drv_offered(&d) & BIT(F_RO));
}

static void test_blk_write_then_read_returns_the_same(void **state)
{
	u8 a[4096], b[4096];
	u64 seed = 7;

	drv_start(&d, 1, 64);
	for (unsigned i = 0; i < sizeof(a); i++)
		a[i] = (u8)rnd(&seed);
	assert_int_equal(mem_write(d.mem, BUF, a, sizeof(a)), 0);
	assert_int_equal(request(T_OUT, 100, BUF, sizeof(a), false), S_OK);
	assert_int_equal(drv_used_len(&d, 0, 0), 1);
	assert_int_equal(pread(image, b, sizeof(b), 100 * 512), sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(request(T_IN, 100, BUF + 0x10000, sizeof(a), true), S_OK);
	assert_int_equal(drv_used_len(&d, 0, 1), sizeof(a) + 1);
	assert_int_equal(mem_read(d.mem, BUF + 0x10000, b, sizeof(b)), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(request(T_FLUSH, 0, 0, 0, false), S_OK);
}

static void test_blk_odd_framing_is_accepted(void **state)
{
	u64 got;

	/* Header in two pieces, data of 97 * 512 split at 100, status in the last data descriptor. */
	drv_start(&d, 1, 64);
	drv_set_ram(&d, HDR, 8, T_IN);
	drv_set_ram(&d, HDR + 8, 8, 97);
	drv_desc(&d, 0, 0, HDR, 5, F_NEXT, 1);
	drv_desc(&d, 0, 1, HDR + 5, 11, F_NEXT, 2);
	drv_desc(&d, 0, 2, BUF, 100, F_WRITE | F_NEXT, 3);
	drv_desc(&d, 0, 3, BUF + 100, 413, F_WRITE, 0);
	drv_set_ram(&d, BUF + 512, 1, S_NONE);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 1);
	got = drv_ram(&d, BUF, 8);
	assert_int_equal(got, 97);
	assert_int_equal(drv_ram(&d, BUF + 512, 1), S_OK);
	assert_int_equal(drv_used_len(&d, 0, 0), 513);
}

static void test_blk_get_id_is_cut_to_twenty_bytes(void **state)
{
	char id[24];

	drv_start(&d, 1, 64);
	assert_int_equal(mem_zero(d.mem, BUF, 64), 0);
	assert_int_equal(request(T_GET_ID, 0, BUF, 20, true), S_OK);
	assert_int_equal(mem_read(d.mem, BUF, id, sizeof(id)), 0);
	assert_memory_equal(id, "vda-with-a-name-of-o\0\0\0", 24);
}

static void test_blk_bad_requests_fail_alone(void **state)
{
	static const struct {
		const char *name;
		u32 type;
		u64 sector, data;
		u32 len;
		bool in;
		u8 status;
	} rows[] = {
		{ "read beyond the end", T_IN, SECTORS, BUF, 512, true, S_IOERR },
		{ "read across the end", T_IN, SECTORS - 1, BUF, 1024, true, S_IOERR },
		{ "sector wraps", T_IN, ~0ULL, BUF, 512, true, S_IOERR },
		{ "sector times 512 wraps", T_IN, 1ULL << 55, BUF, 512, true, S_IOERR },
		{ "no whole sector", T_IN, 0, BUF, 511, true, S_IOERR },
		{ "data outside RAM", T_IN, 0, DRV_RAM - 512, 1024, true, S_IOERR },
		{ "data at the top", T_OUT, 0, ~0ULL - 511, 512, false, S_IOERR },
		{ "data wraps", T_OUT, 0, ~0ULL - 255, 512, false, S_IOERR },
		{ "4 GiB", T_IN, 0, BUF, 0xfffffe00, true, S_IOERR },
		{ "unknown type", 77, 0, BUF, 512, true, S_UNSUPP },
		{ "nothing to read", T_IN, 0, 0, 0, true, S_OK },
	};

	drv_start(&d, 1, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 s = request(rows[i].type, rows[i].sector, rows[i].data, rows[i].len, rows[i].in);

		if (s != rows[i].status)
			fail_msg("%s: status %u", rows[i].name, s);
	}
	assert_int_equal(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

static void test_blk_full_file_system_of_the_host_is_an_io_error(void **state)
{
	drv_start(&d, 1, 64);
	full = true;
	assert_int_equal(request(T_OUT, 0, BUF, 4096, false), S_IOERR);
	assert_int_equal(request(T_IN, 0, BUF, 4096, true), S_OK);
	full = false;
	assert_int_equal(request(T_OUT, 0, BUF, 4096, false), S_OK);
	assert_int_equal(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

static void test_blk_header_too_short_is_an_error(void **state)
{
	drv_start(&d, 1, 64);
	drv_desc(&d, 0, 0, HDR, 15, F_NEXT, 1);
	drv_desc(&d, 0, 1, STATUS, 1, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 1);
	assert_int_equal(drv_ram(&d, STATUS, 1), S_IOERR);
}

static void test_blk_without_status_byte_breaks(void **state)
{
	drv_start(&d, 1, 64);
	drv_desc(&d, 0, 0, HDR, 16, 0, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_blk_status_outside_ram_is_survived(void **state)
{
	drv_start(&d, 1, 64);
	drv_set_ram(&d, HDR, 8, T_FLUSH);
	drv_desc(&d, 0, 0, HDR, 16, F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_RAM, 1, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 1);
	assert_int_equal(drv_used_len(&d, 0, 0), 0);
}

static void test_blk_limit_keeps_requests_waiting_and_a_reset_forgets_them(void **state)
{
	u16 n;

	drv_start(&d, 1, 64);
	/* One request, offered again and again: a burst is 10. */
	publish(0, 0, T_IN, 0, DRV_DATA, 512, true);
	for (unsigned i = 1; i < 60; i++)
		drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	for (unsigned i = 0; i < 10000 && drv_used_idx(&d, 0) < 10; i++)
		drv_pump(&d);
	n = drv_used_idx(&d, 0);
	assert_true(n >= 10 && n < 60);
	drv_set_status(&d, 0);
	drv_pump(&d);
}

/* Reads that the host answers at once, from its cache, do not keep the event thread from its other work. */
static void test_blk_turn_ends_after_some_megabytes(void **state)
{
	enum { N = 200 };

	drv_start(&d, 1, 256);
	publish(0, 0, T_IN, 0, BUF, MiB(1), true);
	for (unsigned i = 1; i < N; i++)
		drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	assert_int_equal(event_rounds(d.ev, 2), 0);
	assert_true(drv_used_idx(&d, 0) < N / 2);
	drv_wait(&d, 0, N);
	assert_int_equal(status_at(0), S_OK);
	assert_int_equal(d.live_spans, 0);
}

/* Many reads of many rounds each, not all of them done. */
static void start_long_reads(unsigned n)
{
	drv_start(&d, 1, 256);
	publish(0, 0, T_IN, 0, DRV_SCATTER, DRV_SCATTER_PAGES * 4096, true);
	for (unsigned i = 1; i < n; i++)
		drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	assert_int_equal(event_rounds(d.ev, 2), 0);
	assert_true(drv_used_idx(&d, 0) < n);
}

/* By a driver's mistake with another queue. The spans of what was begun must not live on. */
static void test_blk_rounds_left_over_go_on_when_the_device_is_broken(void **state)
{
	start_long_reads(24);
	drv_queue_at(&d, 1, 3, 0x1000, 0x2000, 0x3000);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_not_equal(d.live_spans, 0);
	for (unsigned i = 0; i < 10000 && d.live_spans; i++) {
		drv_pump(&d);
		usleep(1000);
	}
	assert_int_equal(d.live_spans, 0);
}

static void test_blk_without_bus_mastering_nothing_reaches_memory(void **state)
{
	enum { N = 24 };
	u16 used;

	start_long_reads(N);
	drv_write(&d, drv_cfg(&d, 4), 2, 2);
	assert_int_equal(d.live_spans, 0);
	used = drv_used_idx(&d, 0);
	for (unsigned i = 0; i < 20; i++) {
		drv_pump(&d);
		usleep(1000);
	}
	assert_int_equal(d.live_spans, 0);
	assert_int_equal(drv_used_idx(&d, 0), used);
	/* What was only waiting in the ring is served when it may be again. */
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	if (used < N)
		drv_wait(&d, 0, N);
	assert_int_equal(request(T_IN, 97, BUF, 512, true), S_OK);
}

static void test_blk_discard_makes_a_hole_that_reads_zero(void **state)
{
	struct stat before, after;
	u8 b[4096], none[4096] = { 0 };

	drv_start(&d, 1, 64);
	memset(b, 1, sizeof(b));
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(pwrite(image, b, sizeof(b), (off_t)(i * sizeof(b))), sizeof(b));
	fstat(image, &before);
	assert_int_equal(range_request(T_DISCARD, 0, 512, 0), S_OK);
	fstat(image, &after);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(pread(image, b, sizeof(b), 0), sizeof(b));
	assert_memory_equal(b, none, sizeof(b));
}

static void check_zeroes(u32 flags)
{
	static u8 b[IMAGE_BYTES / 2], none[IMAGE_BYTES / 2];

	memset(b, 0xab, sizeof(b));
	assert_int_equal(pwrite(image, b, sizeof(b), 0), sizeof(b));
	/* All but the first and the last sector of what was written: more than one round where zeroes must be written. */
	assert_int_equal(range_request(T_ZEROES, 1, sizeof(b) / 512 - 2, flags), S_OK);
	assert_int_equal(pread(image, b, sizeof(b), 0), sizeof(b));
	assert_memory_equal(b + 512, none, sizeof(b) - 1024);
	assert_int_equal(b[511], 0xab);
	assert_int_equal(b[sizeof(b) - 512], 0xab);
}

static void test_blk_write_zeroes_with_and_without_unmap(void **state)
{
	drv_start(&d, 1, 64);
	check_zeroes(0);
	check_zeroes(1);
}

static void test_blk_write_zeroes_without_zero_range_writes(void **state)
{
	drv_start(&d, 1, 64);
	no_zero_range = true;
	check_zeroes(0);
	check_zeroes(0);
	no_zero_range = false;
}

static void test_blk_bad_ranges_are_refused(void **state)
{
	static const struct {
		u32 type;
		u64 sector;
		u32 n, flags;
		u8 status;
	} rows[] = {
		{ T_DISCARD, SECTORS, 1, 0, S_IOERR },
		{ T_DISCARD, 0, 0xffffffff, 0, S_IOERR },
		{ T_DISCARD, ~0ULL, 2, 0, S_IOERR },
		{ T_DISCARD, 0, 8, 1, S_UNSUPP },
		{ T_ZEROES, 0, 8, 2, S_UNSUPP },
		{ T_ZEROES, SECTORS - 1, 2, 0, S_IOERR },
		{ T_ZEROES, 0, 0, 0, S_OK },
	};

	drv_start(&d, 1, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(range_request(rows[i].type, rows[i].sector, rows[i].n, rows[i].flags), rows[i].status);
	/* No range at all, and two. */
	assert_int_equal(request(T_DISCARD, 0, 0, 0, false), S_IOERR);
	assert_int_equal(request(T_DISCARD, 0, BUF, 32, false), S_IOERR);
}

static void test_blk_range_without_feature_is_unsupported(void **state)
{
	assert_true(drv_negotiate(&d, BIT(VIRTIO_F_VERSION_1)));
	drv_queue(&d, 0, 64);
	drv_ok(&d);
	assert_int_equal(range_request(T_DISCARD, 0, 8, 0), S_UNSUPP);
	assert_int_equal(range_request(T_ZEROES, 0, 8, 0), S_UNSUPP);
	/* Without FLUSH each write is made stable; it must still work. */
	assert_int_equal(request(T_OUT, 0, BUF, 512, false), S_OK);
}

static void test_blk_write_cache_can_be_switched(void **state)
{
	u64 wce = d.bar + VIRTIO_BAR_DEVICE + 32;

	drv_write(&d, wce, 1, 0);
	assert_int_equal(drv_read(&d, wce, 1), 1);
	drv_start(&d, 1, 64);
	drv_write(&d, wce, 1, 0);
	assert_int_equal(drv_read(&d, wce, 1), 0);
	assert_int_equal(request(T_OUT, 0, BUF, 512, false), S_OK);
	drv_set_status(&d, 0);
	assert_int_equal(drv_read(&d, wce, 1), 1);
}

static void test_blk_read_only_refuses_to_write(void **state)
{
	assert_true(drv_offered(&d) & BIT(F_RO));
	drv_start(&d, 1, 64);
	assert_int_equal(request(T_OUT, 0, BUF, 512, false), S_IOERR);
	assert_int_equal(range_request(T_DISCARD, 0, 8, 0), S_UNSUPP);
	assert_int_equal(request(T_IN, 0, BUF, 512, true), S_OK);
	assert_int_equal(request(T_FLUSH, 0, 0, 0, false), S_OK);
}

static void test_blk_truncated_image_is_an_io_error(void **state)
{
	drv_start(&d, 1, 64);
	assert_int_equal(request(T_IN, SECTORS - 8, BUF, 4096, true), S_OK);
	assert_int_equal(ftruncate(image, 4096), 0);
	assert_int_equal(request(T_IN, SECTORS - 8, BUF, 4096, true), S_IOERR);
	assert_int_equal(request(T_IN, 7, BUF, 1024, true), S_IOERR);
	assert_int_equal(request(T_IN, 7, BUF, 512, true), S_OK);
}

static void test_blk_batch_gives_one_interrupt_at_most_per_collection(void **state)
{
	drv_start(&d, 1, 64);
	/* Ask for an interrupt at the very end. */
	drv_set_ram(&d, d.q[0].ring + 4 + 2 * 64, 2, 15);
	for (u16 i = 0; i < 16; i++)
		publish(0, i, T_IN, 97 * i, BUF + i * 0x1000, 512, true);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 16);
	assert_int_equal(d.msis[1], 1);
	for (u16 i = 0; i < 16; i++) {
		assert_int_equal(status_at(i), S_OK);
		assert_int_equal(drv_ram(&d, BUF + i * 0x1000, 8), 97 * i);
	}
}

static void test_blk_more_than_the_request_pool_is_served(void **state)
{
	/* Four queues of 256 flush chains: more than there are requests. */
	drv_start(&d, 4, 256);
	drv_set_ram(&d, HDR, 8, T_FLUSH);
	for (unsigned q = 0; q < 4; q++) {
		drv_desc(&d, q, 0, HDR, 16, F_NEXT, 1);
		drv_desc(&d, q, 1, STATUS, 1, F_WRITE, 0);
		for (unsigned i = 0; i < 256; i++)
			drv_avail(&d, q, 0);
		drv_kick(&d, q);
	}
	for (unsigned q = 0; q < 4; q++)
		drv_wait(&d, q, 256);
}

static void test_blk_scattered_pages_go_in_rounds(void **state)
{
	static u8 a[MiB(2)], page[4096];

	/* One segment of 2 MiB, each page of it elsewhere: 512 pieces, 64 at a time. */
	for (unsigned i = 0; i < sizeof(a); i += 8)
		put_le(a + i, 8, i * 0x9E3779B97F4A7C15ULL);
	assert_int_equal(pwrite(image, a, sizeof(a), 512), sizeof(a));
	drv_start(&d, 1, 64);
	assert_int_equal(request(T_IN, 1, DRV_SCATTER + 256, sizeof(a), true), S_OK);
	for (unsigned i = 1; i < 512; i++) {
		assert_int_equal(mem_read(d.mem, DRV_SCATTER_GPA + (DRV_SCATTER_PAGES - 1 - i) * 4096ULL, page, sizeof(page)), 0);
		assert_memory_equal(page, a + i * 4096 - 256, sizeof(page));
	}
	assert_int_equal(request(T_OUT, 5001, DRV_SCATTER + 256, sizeof(a), false), S_OK);
	assert_int_equal(pread(image, page, sizeof(page), 5001 * 512 + MiB(1)), sizeof(page));
	assert_memory_equal(page, a + MiB(1), sizeof(page));
	/* Runs out of mapped pages in a later round. */
	assert_int_equal(request(T_IN, 0, DRV_SCATTER + (DRV_SCATTER_PAGES - 100) * 4096ULL, MiB(1), true), S_IOERR);
}

static void test_blk_too_many_segments_is_an_io_error(void **state)
{
	drv_start(&d, 1, 128);
	drv_set_ram(&d, HDR, 8, T_IN);
	drv_set_ram(&d, HDR + 8, 8, 0);
	drv_desc(&d, 0, 0, HDR, 16, F_NEXT, 1);
	for (u16 i = 1; i <= 65; i++)
		drv_desc(&d, 0, i, BUF + i * 512, 512, F_WRITE | F_NEXT, i + 1);
	drv_desc(&d, 0, 66, STATUS, 1, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 1);
	assert_int_equal(drv_ram(&d, STATUS, 1), S_IOERR);
}

static void test_blk_reset_with_io_in_flight_ends_it(void **state)
{
	for (unsigned round = 0; round < 20; round++) {
		drv_start(&d, 1, 64);
		for (u16 i = 0; i < 16; i++)
			publish(0, i, T_IN, 97 * i, BUF + i * 0x10000, 65536, true);
		drv_kick(&d, 0);
		if (round % 2)
			drv_pump(&d);
		drv_set_status(&d, 0);
		assert_int_equal(d.live_spans, 0);
		drv_pump(&d);
	}
	drv_start(&d, 1, 64);
	assert_int_equal(request(T_IN, 97, BUF, 512, true), S_OK);
	assert_int_equal(drv_ram(&d, BUF, 8), 97);
}

static void test_blk_limits_hold_requests_back_until_time_passes(void **state)
{
	static const struct {
		u64 bps, iops;
		u16 first, then; /* requests served at once, and 10 ms later */
	} rows[] = {
		{ 0, 100, 10, 11 },
		/* 4 KiB each: a tenth of a second's worth, and one that makes the debt. */
		{ 409600, 0, 10, 11 },
		{ 4096000, 100, 10, 11 },
		{ 409600, 100000, 10, 11 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct disk_cfg cfg;

		make_image();
		cfg = config();
		cfg.bps = rows[i].bps;
		cfg.iops = rows[i].iops;
		open_with(&cfg);
		drv_start(&d, 1, 64);
		for (u16 n = 0; n < 16; n++)
			publish(0, n, T_IN, 0, BUF + n * 0x1000, 4096, true);
		drv_kick(&d, 0);
		drv_wait(&d, 0, rows[i].first);
		drv_pump(&d);
		assert_int_equal(drv_used_idx(&d, 0), rows[i].first);
		now_ns += 10000000;
		drv_wait(&d, 0, rows[i].then);
		drv_pump(&d);
		assert_int_equal(drv_used_idx(&d, 0), rows[i].then);
		/* Held back ones are forgotten by a reset; what is left of the limit stays. */
		now_ns += 100000000;
		drv_start(&d, 1, 64);
		assert_int_equal(request(T_IN, 0, BUF, 512, true), S_OK);
		teardown(NULL);
	}
}

static void test_blk_queue_count_follows_vcpus_and_option(void **state)
{
	static const struct {
		unsigned cpus, queues, want;
	} rows[] = { { 1, 0, 1 }, { 3, 0, 3 }, { 64, 0, 4 }, { 0, 0, 1 }, { 2, 8, 8 } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct disk_cfg cfg;

		make_image();
		cfg = config();
		cfg.queues = rows[i].queues;
		drv_open(&d);
		d.ctx.cpus = rows[i].cpus;
		assert_int_equal(virtio_blk_create(&d.ctx, &cfg), 0);
		drv_attach(&d);
		assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_NUMQ, 2), rows[i].want);
		teardown(NULL);
	}
}

static void test_blk_same_file_twice_is_refused_unless_read_only(void **state)
{
	struct disk_cfg cfg;
	int fd;

	make_image();
	cfg = config();
	drv_open(&d);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), 0);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), EXIT_NOINPUT);
	drv_close(&d);
	/* The same open file, which its own lock does not stop. */
	fd = open(path, O_RDWR);
	cfg.file.fd = fd;
	drv_open(&d);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), 0);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), EXIT_NOINPUT);
	drv_close(&d);
	close(fd);
	cfg.file.fd = -1;
	cfg.ro = true;
	drv_open(&d);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), 0);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), 0);
	teardown(NULL);
}

static void test_blk_create_without_file_leaves_nothing(void **state)
{
	struct disk_cfg cfg = { .file = { .path = (char *)(uintptr_t)"/nonexistent/image", .fd = -1 } };

	drv_open(&d);
	assert_int_equal(virtio_blk_create(&d.ctx, &cfg), EXIT_NOINPUT);
	assert_int_equal(pci_free_dev(d.pci, PCI_DEV_VIRTIO), PCI_DEV_VIRTIO);
	drv_close(&d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define BOTH(f) T(f), cmocka_unit_test_setup_teardown(f, setup_thread, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_blk_config_describes_the_image),
		BOTH(test_blk_write_then_read_returns_the_same),
		T(test_blk_odd_framing_is_accepted),
		T(test_blk_get_id_is_cut_to_twenty_bytes),
		T(test_blk_bad_requests_fail_alone),
		cmocka_unit_test_setup_teardown(test_blk_full_file_system_of_the_host_is_an_io_error, setup_thread, teardown),
		T(test_blk_header_too_short_is_an_error),
		T(test_blk_without_status_byte_breaks),
		T(test_blk_status_outside_ram_is_survived),
		BOTH(test_blk_turn_ends_after_some_megabytes),
		BOTH(test_blk_without_bus_mastering_nothing_reaches_memory),
		BOTH(test_blk_discard_makes_a_hole_that_reads_zero),
		BOTH(test_blk_write_zeroes_with_and_without_unmap),
		cmocka_unit_test_setup_teardown(test_blk_limit_keeps_requests_waiting_and_a_reset_forgets_them, setup_limited, teardown),
		cmocka_unit_test_setup_teardown(test_blk_write_zeroes_without_zero_range_writes, setup_thread, teardown),
		T(test_blk_bad_ranges_are_refused),
		T(test_blk_range_without_feature_is_unsupported),
		T(test_blk_write_cache_can_be_switched),
		cmocka_unit_test_setup_teardown(test_blk_read_only_refuses_to_write, setup_ro, teardown),
		BOTH(test_blk_truncated_image_is_an_io_error),
		T(test_blk_batch_gives_one_interrupt_at_most_per_collection),
		cmocka_unit_test_setup_teardown(test_blk_more_than_the_request_pool_is_served, setup_queues, teardown),
		cmocka_unit_test_setup_teardown(test_blk_rounds_left_over_go_on_when_the_device_is_broken, setup_queues, teardown),
		BOTH(test_blk_scattered_pages_go_in_rounds),
		T(test_blk_too_many_segments_is_an_io_error),
		BOTH(test_blk_reset_with_io_in_flight_ends_it),
		cmocka_unit_test(test_blk_limits_hold_requests_back_until_time_passes),
		cmocka_unit_test(test_blk_queue_count_follows_vcpus_and_option),
		cmocka_unit_test(test_blk_same_file_twice_is_refused_unless_read_only),
		cmocka_unit_test(test_blk_create_without_file_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
// wrap: io_uring_queue_init_params
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>

#include "devices/blk_io.h"
#include "vmm/event.h"
#include "vmm/log.h"

#define FILE_BYTES KiB(256)
#define DEPTH 16

static int refuse; /* -errno for io_uring, 0: as the host has it */

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
	return refuse ? refuse : __real_io_uring_queue_init_params(entries, ring, p);
}

static struct event *ev;
static struct blk_io *io;
static int fd;
static u8 image[FILE_BYTES];

static void ready(void *arg)
{
	event_stop(ev);
}

static int open_engine(bool use_thread)
{
	struct blk_io_cfg cfg = { .depth = DEPTH, .use_thread = use_thread, .ready = ready };
	char path[] = "/tmp/nidus-blk-XXXXXX";
	u64 seed = 1;

	log_set_level(LOG_ERROR);
	fd = mkstemp(path);
	unlink(path);
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = (u8)rnd(&seed);
	assert_int_equal(write(fd, image, sizeof(image)), sizeof(image));
	assert_int_equal(event_create(&ev), 0);
	cfg.ev = ev;
	cfg.fd = fd;
	alarm(20);
	return blk_io_create(&cfg, &io);
}

static int setup_native(void **state)
{
	return open_engine(false);
}

static int setup_thread(void **state)
{
	return open_engine(true);
}

static int setup_refused(void **state)
{
	int err;

	refuse = -EPERM;
	err = open_engine(false);
	refuse = 0;
	return err;
}

static int teardown(void **state)
{
	blk_io_destroy(io);
	event_destroy(ev);
	close(fd);
	alarm(0);
	return 0;
}

static struct blk_req *wait_one(void)
{
	struct blk_req *r;

	while (!(r = blk_io_next_done(io)))
		assert_int_equal(event_run(ev), 0);
	return r;
}

static int run_one(struct blk_req *r)
{
	blk_io_queue(io, r);
	blk_io_submit(io);
	assert_ptr_equal(wait_one(), r);
	return r->res;
}

static void test_blk_io_reads_and_writes_scattered(void **state)
{
	static u8 a[1000], b[3096];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct blk_req r = { .op = BLK_READ, .off = 5000, .len = 4096, .iov = iov, .n_iov = 2 };

	assert_int_equal(run_one(&r), 0);
	assert_memory_equal(a, image + 5000, sizeof(a));
	assert_memory_equal(b, image + 6000, sizeof(b));
	for (unsigned sync = 0; sync < 2; sync++) {
		memset(a, 0x40 + (int)sync, sizeof(a));
		iov[0] = (struct iovec){ a, sizeof(a) };
		r = (struct blk_req){ .op = sync ? BLK_WRITE_SYNC : BLK_WRITE, .off = 512, .len = sizeof(a), .iov = iov, .n_iov = 1 };
		assert_int_equal(run_one(&r), 0);
		assert_int_equal(pread(fd, b, sizeof(a), 512), sizeof(a));
		assert_memory_equal(a, b, sizeof(a));
	}
}

static void test_blk_io_flush_punch_and_zero(void **state)
{
	struct blk_req r = { .op = BLK_FLUSH };
	static u8 b[8192], none[8192];

	assert_int_equal(run_one(&r), 0);
	r = (struct blk_req){ .op = BLK_PUNCH, .off = 8192, .len = 8192 };
	assert_int_equal(run_one(&r), 0);
	assert_int_equal(pread(fd, b, sizeof(b), 8192), sizeof(b));
	assert_memory_equal(b, none, sizeof(b));
	r = (struct blk_req){ .op = BLK_ZERO, .off = 20480, .len = 4096 };
	/* Not every file system can. */
	if (run_one(&r) == 0) {
		assert_int_equal(pread(fd, b, 4096, 20480), 4096);
		assert_memory_equal(b, none, 4096);
	} else {
		assert_int_equal(r.res, -EOPNOTSUPP);
	}
}

static void test_blk_io_truncated_file_is_an_error(void **state)
{
	static u8 b[8192];
	struct iovec iov = { b, sizeof(b) };
	struct blk_req r = { .op = BLK_READ, .off = 4096, .len = sizeof(b), .iov = &iov, .n_iov = 1 };

	assert_int_equal(ftruncate(fd, 6000), 0);
	assert_int_equal(run_one(&r), -EIO);
	iov = (struct iovec){ b, sizeof(b) };
	r = (struct blk_req){ .op = BLK_READ, .off = 65536, .len = sizeof(b), .iov = &iov, .n_iov = 1 };
	assert_int_equal(run_one(&r), -EIO);
}

static void test_blk_io_bad_memory_is_an_error(void **state)
{
	struct iovec iov = { (void *)8, 4096 };
	struct blk_req r = { .op = BLK_READ, .off = 0, .len = 4096, .iov = &iov, .n_iov = 1 };

	assert_int_equal(run_one(&r), -EFAULT);
}

static void test_blk_io_batch_of_depth_completes(void **state)
{
	static u8 b[DEPTH][4096];
	struct blk_req r[DEPTH];
	struct iovec iov[DEPTH];

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < DEPTH; i++) {
			iov[i] = (struct iovec){ b[i], 4096 };
			r[i] = (struct blk_req){ .op = BLK_READ, .off = i * 4096, .len = 4096, .iov = &iov[i], .n_iov = 1 };
			blk_io_queue(io, &r[i]);
		}
		blk_io_submit(io);
		for (unsigned i = 0; i < DEPTH; i++)
			assert_int_equal(wait_one()->res, 0);
		assert_null(blk_io_next_done(io));
		assert_memory_equal(b, image, sizeof(b));
		memset(b, 0, sizeof(b));
	}
}

static void test_blk_io_drain_leaves_nothing_in_flight(void **state)
{
	static u8 b[DEPTH][4096];
	struct blk_req r[DEPTH];
	struct iovec iov[DEPTH];
	unsigned n = 0;

	/* Half of them submitted, half only queued. */
	for (unsigned i = 0; i < DEPTH; i++) {
		iov[i] = (struct iovec){ b[i], 4096 };
		r[i] = (struct blk_req){ .op = BLK_READ, .off = i * 4096, .len = 4096, .iov = &iov[i], .n_iov = 1 };
		blk_io_queue(io, &r[i]);
		if (i == DEPTH / 2)
			blk_io_submit(io);
	}
	blk_io_drain(io);
	while (blk_io_next_done(io))
		n++;
	assert_int_equal(n, DEPTH);
}

static void test_blk_io_engine_is_the_one_asked_for(void **state)
{
	assert_true(blk_io_uses_thread(io));
}

static void test_blk_io_fd_limit_is_an_error_not_a_thread(void **state)
{
	struct blk_io_cfg cfg = { .depth = DEPTH, .ready = ready };
	struct blk_io *none = NULL;

	assert_int_equal(event_create(&cfg.ev), 0);
	refuse = -EMFILE;
	assert_int_equal(blk_io_create(&cfg, &none), -EMFILE);
	refuse = 0;
	assert_null(none);
	event_destroy(cfg.ev);
}

#define BOTH(f) cmocka_unit_test_setup_teardown(f, setup_native, teardown), cmocka_unit_test_setup_teardown(f, setup_thread, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_blk_io_reads_and_writes_scattered),
		BOTH(test_blk_io_flush_punch_and_zero),
		BOTH(test_blk_io_truncated_file_is_an_error),
		BOTH(test_blk_io_bad_memory_is_an_error),
		BOTH(test_blk_io_batch_of_depth_completes),
		BOTH(test_blk_io_drain_leaves_nothing_in_flight),
		cmocka_unit_test_setup_teardown(test_blk_io_engine_is_the_one_asked_for, setup_refused, teardown),
		cmocka_unit_test_setup_teardown(test_blk_io_engine_is_the_one_asked_for, setup_thread, teardown),
		cmocka_unit_test(test_blk_io_fd_limit_is_an_error_not_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/mem.h"

static const struct mem_range two[] = { { 0, MiB(2) }, { GiB(4), MiB(1) } };
static const struct mem_range adjacent[] = { { MiB(1), MiB(1) }, { MiB(2), MiB(1) } };

static struct mem *make(const struct mem_range *r, unsigned n)
{
	struct mem *m = NULL;

	assert_int_equal(mem_create(r, n, false, &m), 0);
	return m;
}

static void test_mem_create_bad_ranges_is_refused(void **state)
{
	static const struct {
		struct mem_range r[2];
		unsigned n;
	} bad[] = {
		{ { { 0, 0 } }, 1 },
		{ { { 0, 4095 } }, 1 },
		{ { { 12, 4096 } }, 1 },
		{ { { ~0ULL - 4095, 8192 } }, 1 },
		{ { { 0, 8192 }, { 4096, 4096 } }, 2 },
		{ { { 8192, 4096 }, { 0, 4096 } }, 2 },
		{ { { 0, 4096 } }, 0 },
		{ { { 0, 4096 } }, MEM_MAX_SLOTS + 1 },
	};
	struct mem *m;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(mem_create(bad[i].r, bad[i].n, false, &m), -EINVAL);
}

static void test_mem_slots_are_congruent_to_gpa(void **state)
{
	struct mem *m = make(two, 2);
	const struct mem_slot *s;
	unsigned n = mem_slots(m, &s);

	assert_int_equal(n, 2);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(((u64)(uintptr_t)s[i].hva - s[i].gpa) % GiB(1), 0);
		assert_int_equal((s[i].fd_offset - s[i].gpa) % GiB(1), 0);
	}
	assert_int_equal(mem_total_bytes(m), MiB(3));
	mem_destroy(m);
}

/* What the contract says, byte by byte. */
static bool oracle(const struct mem_range *r, unsigned n, gpa_t gpa, u64 len)
{
	if (len > MiB(8) || gpa + len < gpa)
		return false;
	for (unsigned __int128 a = gpa; a < (unsigned __int128)gpa + len;) {
		bool in = false;

		for (unsigned i = 0; i < n; i++) {
			if (a >= r[i].gpa && a < r[i].gpa + r[i].len) {
				a = r[i].gpa + r[i].len;
				in = true;
				break;
			}
		}
		if (!in)
			return false;
	}
	return true;
}

static void test_mem_random_ranges_agree_with_oracle(void **state)
{
	static const u64 edges[] = { 0, 1, 4095, 4096, MiB(1), MiB(2), MiB(3), GiB(4), GiB(4) + MiB(1), ~0ULL, 1ULL << 63 };
	static u8 buf[MiB(4)];
	const struct mem_range *maps[] = { two, adjacent };
	u64 seed = 0x6e69647573;

	for (unsigned k = 0; k < 2; k++) {
		struct mem *m = make(maps[k], 2);

		for (int i = 0; i < 20000; i++) {
			gpa_t gpa = edges[rnd(&seed) % ARRAY_SIZE(edges)] + (rnd(&seed) % 7) - 3;
			u64 len = edges[rnd(&seed) % ARRAY_SIZE(edges)] + (rnd(&seed) % 7) - 3;
			bool ram = len && oracle(maps[k], 2, gpa, len);
			struct iovec iov[MEM_MAX_SLOTS];
			int n;

			if (!len)
				continue;
			assert_int_equal(mem_is_ram(m, gpa, len), ram);
			n = mem_iov(m, gpa, len, iov, MEM_MAX_SLOTS);
			assert_int_equal(n > 0, ram);
			if (!ram || i % 64 == 0)
				assert_int_equal(mem_read(m, gpa, buf, len), ram ? 0 : -EFAULT);
			for (int j = 0; j < n; j++)
				len -= iov[j].iov_len;
			assert_true(n <= 0 || len == 0);
		}
		mem_destroy(m);
	}
}

static void test_mem_write_across_slots_reads_back(void **state)
{
	struct mem *m = make(adjacent, 2);
	u8 in[64], out[64];

	for (unsigned i = 0; i < 64; i++)
		in[i] = (u8)(i * 7 + 1);
	assert_int_equal(mem_write(m, MiB(2) - 30, in, 64), 0);
	assert_int_equal(mem_read(m, MiB(2) - 30, out, 64), 0);
	assert_memory_equal(in, out, 64);
	assert_int_equal(mem_zero(m, MiB(2) - 1, 2), 0);
	assert_int_equal(mem_read(m, MiB(2) - 30, out, 64), 0);
	assert_int_equal(out[28], in[28]);
	assert_int_equal(out[29], 0);
	assert_int_equal(out[30], 0);
	assert_int_equal(out[31], in[31]);
	mem_destroy(m);
}

static void test_mem_write_partly_outside_changes_nothing(void **state)
{
	struct mem *m = make(two, 2);
	u8 in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, out[4];

	assert_int_equal(mem_write(m, MiB(2) - 4, in, 8), -EFAULT);
	assert_int_equal(mem_read(m, MiB(2) - 4, out, 4), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(out[i], 0);
	mem_destroy(m);
}

static void test_mem_words_are_little_endian_and_checked(void **state)
{
	struct mem *m = make(two, 2);
	u8 bytes[8];
	u64 v = 77;

	assert_int_equal(mem_store(m, 0x1000, 8, 0x1122334455667788), 0);
	assert_int_equal(mem_read(m, 0x1000, bytes, 8), 0);
	assert_int_equal(bytes[0], 0x88);
	assert_int_equal(mem_load(m, 0x1004, 4, &v), 0);
	assert_int_equal(v, 0x11223344);
	assert_int_equal(mem_load(m, 0x1002, 2, &v), 0);
	assert_int_equal(v, 0x5566);
	assert_int_equal(mem_load(m, 0x1002, 4, &v), -EINVAL);
	assert_int_equal(mem_load(m, 0x1000, 1, &v), -EINVAL);
	assert_int_equal(mem_load(m, MiB(2), 4, &v), -EFAULT);
	assert_int_equal(mem_store(m, ~0ULL - 7, 8, 0), -EFAULT);
	assert_int_equal(v, 0x5566);
	assert_int_equal(mem_cmpxchg64(m, 0x1000, 1, 2), -EAGAIN);
	assert_int_equal(mem_cmpxchg64(m, 0x1000, 0x1122334455667788, 2), 0);
	assert_int_equal(mem_load(m, 0x1000, 8, &v), 0);
	assert_int_equal(v, 2);
	mem_destroy(m);
}

static void test_mem_discard_gives_back_whole_pages_only(void **state)
{
	static const struct {
		u64 gpa, len;
		int err;
		unsigned gone; /* of the first four pages */
	} rows[] = {
		{ 0, 4096, 0, 1 }, { 4096, 8192, 0, 6 }, { 1, 8192, 0, 2 }, { 100, 200, 0, 0 }, { 4095, 4098, 0, 2 }, { 0, 0, -EFAULT, 0 },
		{ GiB(2), 4096, -EFAULT, 0 }, { ~0ULL - 4095, 8192, -EFAULT, 0 }, { 0, GiB(8), -EFAULT, 0 },
	};
	struct mem *m = make(two, 2);
	u64 v;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned p = 0; p < 4; p++)
			assert_int_equal(mem_store(m, 4096 * p, 8, 1), 0);
		assert_int_equal(mem_discard(m, rows[i].gpa, rows[i].len), rows[i].err);
		for (unsigned p = 0; p < 4; p++) {
			assert_int_equal(mem_load(m, 4096 * p, 8, &v), 0);
			assert_int_equal(!v, rows[i].gone >> p & 1);
		}
	}
	assert_int_equal(mem_store(m, GiB(4), 8, 1), 0);
	assert_int_equal(mem_discard(m, GiB(4), 4096), 0);
	assert_int_equal(mem_load(m, GiB(4), 8, &v), 0);
	assert_int_equal(v, 0);
	mem_destroy(m);
}

static void test_mem_clear_zeroes_all(void **state)
{
	struct mem *m = make(two, 2);
	u64 v;

	assert_int_equal(mem_store(m, 0, 8, 1), 0);
	assert_int_equal(mem_store(m, GiB(4), 8, 1), 0);
	assert_int_equal(mem_clear(m), 0);
	assert_int_equal(mem_load(m, 0, 8, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(mem_load(m, GiB(4), 8, &v), 0);
	assert_int_equal(v, 0);
	mem_destroy(m);
}

static void test_mem_gpa_is_where_a_byte_of_the_host_is(void **state)
{
	struct mem *m = make(two, 2);
	const struct mem_slot *s;
	gpa_t gpa = 0;

	mem_slots(m, &s);
	for (unsigned i = 0; i < 2; i++) {
		char *hva = s[i].hva;

		assert_int_equal(mem_gpa(m, hva, &gpa), 0);
		assert_int_equal(gpa, s[i].gpa);
		assert_int_equal(mem_gpa(m, hva + s[i].len - 1, &gpa), 0);
		assert_int_equal(gpa, s[i].gpa + s[i].len - 1);
		assert_int_equal(mem_gpa(m, hva + s[i].len, &gpa), -EFAULT);
		assert_int_equal(mem_gpa(m, hva - 1, &gpa), -EFAULT);
	}
	assert_int_equal(mem_gpa(m, NULL, &gpa), -EFAULT);
	mem_destroy(m);
}

static void test_mem_iov_too_few_entries_is_e2big(void **state)
{
	struct mem *m = make(adjacent, 2);
	struct iovec iov[1];

	assert_int_equal(mem_iov(m, MiB(2) - 1, 2, iov, 1), -E2BIG);
	assert_int_equal(mem_iov(m, MiB(2) - 1, 1, iov, 1), 1);
	assert_int_equal(mem_iov(m, MiB(2) - 1, 0, iov, 1), -EFAULT);
	mem_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem_create_bad_ranges_is_refused),
		cmocka_unit_test(test_mem_slots_are_congruent_to_gpa),
		cmocka_unit_test(test_mem_random_ranges_agree_with_oracle),
		cmocka_unit_test(test_mem_write_across_slots_reads_back),
		cmocka_unit_test(test_mem_write_partly_outside_changes_nothing),
		cmocka_unit_test(test_mem_words_are_little_endian_and_checked),
		cmocka_unit_test(test_mem_discard_gives_back_whole_pages_only),
		cmocka_unit_test(test_mem_clear_zeroes_all),
		cmocka_unit_test(test_mem_gpa_is_where_a_byte_of_the_host_is),
		cmocka_unit_test(test_mem_iov_too_few_entries_is_e2big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

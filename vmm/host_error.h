/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host says no with, for people: an error that a limit causes names what raises it. Thread: any.
 */
#ifndef NIDUS_HOST_ERROR_H
#define NIDUS_HOST_ERROR_H

/* err: -errno. Like strerror(), with a remedy where there is one. */
const char *host_error_text(int err);

/* The exit status of a file that cannot be had: EXIT_HOST if the host is short of something, else EXIT_NOINPUT. err: -errno. */
int host_error_status(int err);

#endif

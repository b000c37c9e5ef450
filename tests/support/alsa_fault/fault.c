/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated sound card: an ALSA plug-in that plays into a file, in real time, and has the faults that another file
 * names. For tests and benchmarks; no part of the box.
 *
 *     pcm.NAME { type fault  mode "FILE of words"  played "FILE that is appended to"  underruns "FILE: a byte each" }
 *
 * Like a real card it returns a position or an error number. Words of the mode (without one it has no fault):
 *     busy    cannot be opened: another program uses it       gone    there is no such device any more
 *     xrun    every write is followed by an underrun          stall   takes no more samples, without an error
 *     hang    no call returns until the word is removed       mono s16 44100 mpeg    the only format that it takes
 *     waits   its clock stops while it has no samples, so that it never runs dry, however slow the computer is
 *     dry     with `waits`: it plays all that it has at once and runs dry, whenever it has taken DRY frames
 *
 *     frames handed over ──transfer──▶ ring ──pointer, by the clock──▶ the file `played`
 */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

SND_PCM_PLUGIN_SYMBOL(fault);

#define DRY 16384

struct card {
	snd_pcm_ioplug_t io;
	char *mode, *played, *underruns;
	FILE *out;
	char *ring;
	size_t frame;                   /* bytes */
	long long taken, heard, begun;  /* frames since prepare, twice; ns of the clock at the start */
	int running, empty;             /* empty: it ran dry, which was reported */
};

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int told(struct card *card, const char *word)
{
	char words[256] = "";
	FILE *file = fopen(card->mode, "r");
	if (file) {
		words[fread(words, 1, sizeof words - 1, file)] = 0;
		fclose(file);
	}
	for (char *rest = words, *one; (one = strsep(&rest, " \n"));)
		if (!strcmp(one, word))
			return 1;
	return 0;
}

static int trouble(struct card *card)
{
	while (told(card, "hang"))
		usleep(20000);
	return told(card, "gone") ? -ENODEV : 0;
}

/* Play what the clock says has been played by now. Returns whether it has run dry. */
static int play_on(struct card *card)
{
	long long rate = card->io.rate, due = (now() - card->begun) * rate / 1000000000LL;
	int dry = 0;
	if (told(card, "stall"))
		due = card->heard;
	if (told(card, "waits") && due > card->taken) {
		card->begun += (due - card->taken) * 1000000000LL / rate;
		due = card->taken;
	}
	if (told(card, "dry") && card->taken >= DRY) {
		due = card->taken;
		dry = 1;
	}
	for (; card->heard < due && card->heard < card->taken; card->heard++)
		fwrite(card->ring + card->heard % card->io.buffer_size * card->frame, card->frame, 1, card->out);
	fflush(card->out);
	return dry || due > card->taken;
}

/* Count an underrun in a file, once until the card is prepared again. */
static int run_dry(struct card *card)
{
	FILE *file = card->empty ? NULL : fopen(card->underruns, "a");
	if (file) {
		fputc('.', file);
		fclose(file);
	}
	card->empty = 1;
	return -EPIPE;
}

static int start(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	card->begun = now();
	card->running = 1;
	return trouble(card);
}

static int stop(snd_pcm_ioplug_t *io)
{
	((struct card *)io->private_data)->running = 0;
	return 0;
}

static int prepare(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	card->frame = io->channels * snd_pcm_format_physical_width(io->format) / 8;
	card->ring = realloc(card->ring, io->buffer_size * card->frame);
	card->taken = card->heard = 0;
	card->running = card->empty = 0;
	return card->ring ? trouble(card) : -ENOMEM;
}

static snd_pcm_sframes_t pointer(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	int error = trouble(card);
	if (error)
		return error;
	if (card->running) {
		int dry = card->empty || told(card, "xrun") || play_on(card);
		if (dry && io->state != SND_PCM_STATE_DRAINING)
			return run_dry(card);
	}
	return card->heard % io->buffer_size;
}

static snd_pcm_sframes_t transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				  snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct card *card = io->private_data;
	const char *from = (char *)areas->addr + areas->first / 8 + offset * areas->step / 8;
	int error = trouble(card);
	if (error)
		return error;
	for (snd_pcm_uframes_t i = 0; i < size; i++, card->taken++)
		memcpy(card->ring + card->taken % io->buffer_size * card->frame, from + i * card->frame, card->frame);
	return size;
}

static int drain(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	if (!card->running)
		start(io);
	while (card->heard < card->taken && !trouble(card)) {
		play_on(card);
		usleep(2000);
	}
	return 0;
}

static int close_card(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	trouble(card);
	close(io->poll_fd);
	fclose(card->out);
	free(card->ring);
	free(card->mode);
	free(card->played);
	free(card->underruns);
	free(card);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = start, .stop = stop, .prepare = prepare, .pointer = pointer,
	.transfer = transfer, .drain = drain, .close = close_card,
};

static int describe(struct card *card)
{
	static const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED};
	static const unsigned int formats[] = {SND_PCM_FORMAT_MPEG, SND_PCM_FORMAT_S16_LE, SND_PCM_FORMAT_FLOAT_LE};
	int mpeg = told(card, "mpeg"), s16 = told(card, "s16"), picky = told(card, "44100");
	snd_pcm_ioplug_t *io = &card->io;
	snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
	snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, mpeg || s16 ? 1 : 2, formats + !mpeg);
	snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, 1, told(card, "mono") ? 1 : 2);
	snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, picky ? 44100 : 8000, picky ? 44100 : 96000);
	snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64);
	snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 64, 1 << 18);
	return snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 256, 1 << 20);
}

SND_PCM_PLUGIN_DEFINE_FUNC(fault)
{
	struct itimerspec tick = {{0, 5000000}, {0, 5000000}};
	snd_config_iterator_t i, next;
	const char *file = NULL;
	struct card *card = calloc(1, sizeof *card);
	int error = card ? 0 : -ENOMEM;
	(void)root;
	if (error)
		return error;
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;
		if (snd_config_get_id(entry, &id) < 0 || snd_config_get_string(entry, &file) < 0)
			continue;
		if (!strcmp(id, "mode"))
			card->mode = strdup(file);
		if (!strcmp(id, "played"))
			card->played = strdup(file);
		if (!strcmp(id, "underruns"))
			card->underruns = strdup(file);
	}
	if (!card->mode || !card->played || !card->underruns)
		return -EINVAL;
	error = trouble(card);
	if (!error && told(card, "busy"))
		error = -EBUSY;
	if (!error && !(card->out = fopen(card->played, "a")))
		error = -errno;
	if (error)
		return error;
	card->io.version = SND_PCM_IOPLUG_VERSION;
	card->io.name = "a card that does what a file tells it";
	card->io.callback = &callbacks;
	card->io.private_data = card;
	card->io.poll_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	card->io.poll_events = POLLIN;
	timerfd_settime(card->io.poll_fd, 0, &tick, NULL);
	error = snd_pcm_ioplug_create(&card->io, name, stream, mode);
	if (!error)
		error = describe(card);
	*pcmp = card->io.pcm;
	return error;
}

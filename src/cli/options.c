#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "base/view.h"

static void print_help(const struct wp_command *command, const struct wp_option *options,
                       size_t count)
{
    printf("warmpath %s: %s\n\nusage: warmpath %s%s%s%s\n\n%s\n\noptions:\n", command->name,
           command->summary, command->name, count > 0 ? " [options]" : "",
           command->arguments[0] != '\0' ? " " : "", command->arguments, command->details);
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof(left), "%s%s%s%s%s", options[i].name,
                 options[i].alias != NULL ? ", " : "",
                 options[i].alias != NULL ? options[i].alias : "",
                 options[i].argument != NULL ? " " : "",
                 options[i].argument != NULL ? options[i].argument : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
    printf("  %-28s %s\n", "--help, -h", "this text");
}

static const struct wp_option *find(const struct wp_option *options, size_t count, wp_view name)
{
    for (size_t i = 0; i < count; i++)
        if (wp_view_is(name, options[i].name) ||
            (options[i].alias != NULL && wp_view_is(name, options[i].alias)))
            return &options[i];
    return NULL;
}

static int unknown(const struct wp_command *command, const struct wp_option *options, size_t count,
                   wp_view name)
{
    const char *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; i < count; i++) {
        size_t distance = wp_view_distance(name, wp_view_of(options[i].name));
        if (distance < best) {
            best = distance;
            nearest = options[i].name;
        }
    }
    fprintf(stderr, "warmpath %s: unknown option %.*s%s%s%s See warmpath %s --help.\n",
            command->name, WP_VIEW_ARG(name), nearest != NULL ? "; did you mean " : ".",
            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "", command->name);
    return 2;
}

static int apply(const struct wp_command *command, const struct wp_option *option,
                 const char *value)
{
    uint64_t number;
    if (option->kind == WP_OPTION_TEXT) {
        *(const char **)option->target = value;
        return -1;
    }
    if (!wp_view_parse_u64(wp_view_of(value), &number) || number < option->least ||
        number > option->most) {
        fprintf(stderr, "warmpath %s: %s takes a number from %u to %u, not \"%s\"\n", command->name,
                option->name, option->least, option->most, value);
        return 2;
    }
    *(uint32_t *)option->target = (uint32_t)number;
    return -1;
}

// One option at argv[*at]; "--name=value" and "--name value".
static int parse_one(const struct wp_command *command, const struct wp_option *options,
                     size_t count, int argc, char **argv, int *at)
{
    wp_view text = wp_view_of(argv[*at]);
    size_t equals =
        wp_view_starts_with(text, WP_VIEW("--")) ? wp_view_find_char(text, '=') : WP_NOT_FOUND;
    wp_view name = wp_view_sub(text, 0, equals);
    if (wp_view_is(name, "--help") || wp_view_is(name, "-h")) {
        print_help(command, options, count);
        return 0;
    }
    const struct wp_option *option = find(options, count, name);
    if (option == NULL)
        return unknown(command, options, count, name);
    if (option->kind == WP_OPTION_FLAG) {
        *(bool *)option->target = true;
        return -1;
    }
    if (equals != WP_NOT_FOUND)
        return apply(command, option, argv[*at] + equals + 1);
    if (*at + 1 >= argc) {
        fprintf(stderr, "warmpath %s: %s needs a value (%s)\n", command->name, option->name,
                option->argument);
        return 2;
    }
    (*at)++;
    return apply(command, option, argv[*at]);
}

int wp_options_parse(const struct wp_command *command, const struct wp_option *options,
                     size_t count, int argc, char **argv, int *positional, int most_positional)
{
    *positional = 0;
    for (int at = 1; at < argc; at++) {
        if (argv[at][0] != '-' || argv[at][1] == '\0') {
            if (*positional >= most_positional) {
                fprintf(stderr, "warmpath %s: unexpected argument %s\n", command->name, argv[at]);
                return 2;
            }
            argv[++*positional] = argv[at];
            continue;
        }
        int result = parse_one(command, options, count, argc, argv, &at);
        if (result >= 0)
            return result;
    }
    return -1;
}

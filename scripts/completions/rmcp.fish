function __rmcp_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __rmcp_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __rmcp_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __rmcp_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __rmcp_parse_tokens -S
    set -l unparsed_tokens (__rmcp_tokens -pc)
    switch $unparsed_tokens[1]
    case 'rmcp'
        __rmcp_parse_subcommand 0 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'send'
            __rmcp_parse_subcommand -r 1 'g/group=' 'i/interface=' 'ttl=' 'rate=' 'min-rate=' 'max-rate=' 'level=' 'wait-for=' 'require=' 'min-wait=' 'max-wait=' 'linger=' 'until=' 'key=' 'unsigned' 'no-unsigned' 'supersede' 'no-supersede' 'name=' 'report=' 'view' 'no-view' 'files-from0=' 'exclude=+' 'one-file-system' 'no-one-file-system' 'owner' 'no-owner' 'numeric-owner' 'no-numeric-owner' 'xattrs' 'no-xattrs' 'all-xattrs' 'no-all-xattrs' 'group-key=' 'max-unicast-children=' 'trust-repair=+' 'config=' 'check' 'no-check' 'json' 'no-json' 'q/quiet' 'no-quiet' 'v/verbose' 'no-verbose' 'metrics=' 'metrics-listen=' 'color=' 'version' 'h/help'
        case 'recv'
            __rmcp_parse_subcommand 0 'g/group=' 'i/interface=' 'd/directory=' 'o/output=' 'accept=+' 'replace-first' 'no-replace-first' 'once' 'no-once' 'allow-rollback' 'no-allow-rollback' 'exec=' 'exec-timeout=' 'spool-events=' 'reserve=' 'label=' 'again' 'no-again' 'timeout=' 'replace=' 'allow-special' 'no-allow-special' 'owner' 'no-owner' 'xattrs' 'no-xattrs' 'trust=+' 'allow-unsigned' 'no-allow-unsigned' 'group-key=' 'trust-repair=+' 'config=' 'check' 'no-check' 'json' 'no-json' 'q/quiet' 'no-quiet' 'v/verbose' 'no-verbose' 'metrics=' 'metrics-listen=' 'version' 'h/help'
        case 'repair'
            __rmcp_parse_subcommand 0 'g/group=' 'i/interface=' 'cache=' 'cache-size=' 'reserve=' 'region=' 'region-interface=' 'region-ttl=' 'upstream=' 'key=' 'max-unicast-children=' 'trust=+' 'allow-unsigned' 'no-allow-unsigned' 'group-key=' 'trust-repair=+' 'config=' 'check' 'no-check' 'json' 'no-json' 'q/quiet' 'no-quiet' 'v/verbose' 'no-verbose' 'metrics=' 'metrics-listen=' 'version' 'h/help'
        case 'watch'
            __rmcp_parse_subcommand 0 'g/group=' 'i/interface=' 'once' 'no-once' 'trust=+' 'group-key=' 'config=' 'json' 'no-json' 'q/quiet' 'no-quiet' 'v/verbose' 'no-verbose' 'color=' 'version' 'h/help'
        case 'keygen'
            __rmcp_parse_subcommand 1 'o/output=' 'group' 'no-group' 'json' 'no-json' 'version' 'h/help'
        case 'report'
            __rmcp_parse_subcommand 1 'o/output=' 'session=' 'version' 'h/help'
        case 'help'
            __rmcp_parse_subcommand -r 1 'version'
        end
    end
end

function __rmcp_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __rmcp_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __rmcp_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __rmcp_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__rmcp_tokens -p)
    if test -z "$(__rmcp_tokens -t)"
        set -l index (count (__rmcp_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'rmcp' -f
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'send' -d 'Push a file or a directory to every receiver of a group.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'recv' -d 'Receive bundles: a daemon, or once.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'repair' -d 'Answer losses near the receivers, from a cache.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'watch' -d 'Show the sessions of a group, their trees and how far everybody is.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'keygen' -d 'Make a signing key and print its public line, or a group\'s key.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'report' -d 'Make a page of a send from its --json lines.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp send" -ge 1' -F
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" g group' -s 'g' -l 'group' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" i interface' -s 'i' -l 'interface' -d 'The network interface (default: the one that routes to the group).' -rfka '(ls /sys/class/net)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" ttl' -l 'ttl' -d 'The routers that packets may cross, plus one (default: 1).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" rate' -l 'rate' -d 'Bits per second, such as 100M or 2.5G; or auto, which adapts (default: auto).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" min-rate' -l 'min-rate' -d 'The lowest rate of auto (default: 1M).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" max-rate' -l 'max-rate' -d 'The highest rate of auto (default: 100G).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" level' -l 'level' -d 'The zstd level, 1 to 19; 0 does not compress; auto takes what network and cores leave time for (default: auto).' -rfka 'auto 0 3 9 19'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" wait-for' -l 'wait-for' -d 'Start as soon as this many receivers have joined.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" require' -l 'require' -d 'End with exit code 3 when fewer receivers than this are complete.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" min-wait' -l 'min-wait' -d 'The earliest start (default: 2s).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" max-wait' -l 'max-wait' -d 'The latest start, with those who have come; exit code 4 if nobody has (default: 30s).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" linger' -l 'linger' -d 'Stay this long for latecomers after the last known receiver is complete (default: 0s).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" until' -l 'until' -d 'Stay until all known receivers are complete (\'receivers\', default), or until the repair nodes hold everything and serve on (\'repair\').' -rfka 'receivers repair'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" key' -l 'key' -d 'The signing key (default: ~/.config/rmcp/id_ed25519, made on first use).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" unsigned' -l 'unsigned' -d 'Do not sign: only receivers with --allow-unsigned take the bundle.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-unsigned' -l 'no-unsigned' -d 'Switch --unsigned off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" supersede' -l 'supersede' -d 'Take effect where receivers know a later version, such as after a clock was ahead: begins a new epoch of the key.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-supersede' -l 'no-supersede' -d 'Switch --supersede off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" name' -l 'name' -d 'The bundle\'s name at the receivers (default: the path\'s last component).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" report' -l 'report' -d 'Write a page of what happened at the end, also when the transfer fails: one HTML file that needs nothing else.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'html\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" view' -l 'view' -d 'On a terminal, draw on all of it: rate, progress of all receivers, loss; elsewhere there are the lines as ever. Keys: q, space, ?.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-view' -l 'no-view' -d 'Switch --view off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" files-from0' -l 'files-from0' -d 'Send of the directory only what is listed in this file (\'-\': standard input), by paths from there on, each with a zero behind it (git ls-files -z).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send"' -l 'exclude' -d 'Leave out of a directory what has such a name or, with a slash in the pattern, such a path from the directory on (repeatable).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" one-file-system' -l 'one-file-system' -d 'Leave out of a directory what is mounted in it.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-one-file-system' -l 'no-one-file-system' -d 'Switch --one-file-system off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" owner' -l 'owner' -d 'Say whom a directory\'s files belong to (default).'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-owner' -l 'no-owner' -d 'Switch --owner off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" numeric-owner' -l 'numeric-owner' -d 'Say users and groups by number only: receivers do not look for their names.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-numeric-owner' -l 'no-numeric-owner' -d 'Switch --numeric-owner off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" xattrs' -l 'xattrs' -d 'Send extended attributes: users\' own, POSIX ACLs and, as root, capabilities (default); --xattrs=all sends all that can be read.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-xattrs' -l 'no-xattrs' -d 'Switch --xattrs off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" all-xattrs' -l 'all-xattrs' -d 'The same as --xattrs=all.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-all-xattrs' -l 'no-all-xattrs' -d 'Switch --all-xattrs off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" group-key' -l 'group-key' -d 'The group\'s key: bundles are sealed for its holders, and nothing else is taken (made by rmcp keygen --group).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" max-unicast-children' -l 'max-unicast-children' -d 'The most relays, and receivers without multicast, that are served by unicast (default: 8).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send"' -l 'trust-repair' -d 'A public key of a repair node, or a file with one key a line (repeatable): no others are used (default: all are).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" config' -l 'config' -d 'A TOML file with options, in place of /etc/rmcp/config.toml and ~/.config/rmcp/config.toml: the same names, for one command under [recv] and the like.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'toml\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" check' -l 'check' -d 'Read keys and configuration, print the values in force and who gave them, and exit: with 2 when something is wrong.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-check' -l 'no-check' -d 'Switch --check off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-json' -l 'no-json' -d 'Switch --json off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" q quiet' -s 'q' -l 'quiet' -d 'Print errors only.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-quiet' -l 'no-quiet' -d 'Switch --quiet off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" v verbose' -s 'v' -l 'verbose' -d 'Print more: counters at the end, and what happens in between.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" no-verbose' -l 'no-verbose' -d 'Switch --verbose off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" metrics-listen' -l 'metrics-listen' -d 'Serve Prometheus metrics by HTTP at this address, such as 127.0.0.1:9464, [::1]:9464, or :9464 for all of the host\'s; port 0 takes a free one.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" color' -l 'color' -d 'Whether to draw in bold and colours: auto, which looks at the terminal, NO_COLOR and CLICOLOR_FORCE; always; or never (default: auto).' -rfka 'auto always never'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" g group' -s 'g' -l 'group' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" i interface' -s 'i' -l 'interface' -d 'The network interface (default: the one that routes to the group).' -rfka '(ls /sys/class/net)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" d directory' -s 'd' -l 'directory' -d 'Where bundles land (default: .).' -rfa '(__rmcp_complete_directories)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" o output' -s 'o' -l 'output' -d 'Write a single-file bundle exactly there: a file, a block device, or \'-\' (standard output).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv"' -l 'accept' -d 'Take bundles of this name only: a name, or a pattern such as \'linux-*\' (repeatable; default: all). Others are passed over.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" replace-first' -l 'replace-first' -d 'Where there is no room for two, remove what a bundle replaces before it comes, and not after: until then there is none.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-replace-first' -l 'no-replace-first' -d 'Switch --replace-first off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" once' -l 'once' -d 'Exit after the first complete bundle (0), or the first that fails (3).'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-once' -l 'no-once' -d 'Switch --once off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" allow-rollback' -l 'allow-rollback' -d 'Take bundles that are older than one of the same name and key that has come: refused by default (exit code 5).'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-allow-rollback' -l 'no-allow-rollback' -d 'Switch --allow-rollback off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" exec' -l 'exec' -d 'A command to run after each bundle, with RMCP_NAME, RMCP_PATH, RMCP_SIZE, RMCP_SESSION, RMCP_KEY and RMCP_STATE in its environment.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" exec-timeout' -l 'exec-timeout' -d 'The longest that command may take; then it is ended, and the bundle counts as failed (default: 10m).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" spool-events' -l 'spool-events' -d 'Leave a file in this directory for each complete bundle, with its event of --json: for a service that acts on it with other rights.' -rfa '(__rmcp_complete_directories)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" reserve' -l 'reserve' -d 'Leave this much of the disk free: a bundle that would not is refused, or fails (default: 0).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" label' -l 'label' -d 'If a bundle fails here, tell its sender that it failed at NAME; otherwise receivers are counted and not named.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" again' -l 'again' -d 'Take sessions that this receiver has completed before: by default none is taken twice.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-again' -l 'no-again' -d 'Switch --again off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" timeout' -l 'timeout' -d 'With --once: give up after this long without progress (exit code 4).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" replace' -l 'replace' -d 'How a tree takes the place of the one of its name: \'exchange\' (default), in one step of the file system; or \'symlink\', where the name is a link to it.' -rfka 'exchange symlink'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" allow-special' -l 'allow-special' -d 'Keep set-user-ID, set-group-ID and, as root, capabilities of a tree\'s files: left out by default.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-allow-special' -l 'no-allow-special' -d 'Switch --allow-special off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" owner' -l 'owner' -d 'As root, give a tree\'s files the owners that they have at the sender (default); --no-owner leaves them to root.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-owner' -l 'no-owner' -d 'Switch --owner off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" xattrs' -l 'xattrs' -d 'Set extended attributes and access control lists of a tree\'s files (default).'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-xattrs' -l 'no-xattrs' -d 'Switch --xattrs off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv"' -l 'trust' -d 'A public key whose bundles are taken, or a file with one key a line (repeatable; default: ~/.config/rmcp/trusted_keys).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" allow-unsigned' -l 'allow-unsigned' -d 'Take any bundle on the group, signed or not: refused by default.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-allow-unsigned' -l 'no-allow-unsigned' -d 'Switch --allow-unsigned off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" group-key' -l 'group-key' -d 'The group\'s key: bundles are sealed for its holders, and nothing else is taken (made by rmcp keygen --group).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv"' -l 'trust-repair' -d 'A public key of a repair node, or a file with one key a line (repeatable): no others are used (default: all are).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" config' -l 'config' -d 'A TOML file with options, in place of /etc/rmcp/config.toml and ~/.config/rmcp/config.toml: the same names, for one command under [recv] and the like.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'toml\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" check' -l 'check' -d 'Read keys and configuration, print the values in force and who gave them, and exit: with 2 when something is wrong.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-check' -l 'no-check' -d 'Switch --check off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-json' -l 'no-json' -d 'Switch --json off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" q quiet' -s 'q' -l 'quiet' -d 'Print errors only.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-quiet' -l 'no-quiet' -d 'Switch --quiet off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" v verbose' -s 'v' -l 'verbose' -d 'Print more: counters at the end, and what happens in between.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" no-verbose' -l 'no-verbose' -d 'Switch --verbose off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" metrics-listen' -l 'metrics-listen' -d 'Serve Prometheus metrics by HTTP at this address, such as 127.0.0.1:9464, [::1]:9464, or :9464 for all of the host\'s; port 0 takes a free one.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" g group' -s 'g' -l 'group' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" i interface' -s 'i' -l 'interface' -d 'The network interface (default: the one that routes to the group).' -rfka '(ls /sys/class/net)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" cache' -l 'cache' -d 'Where chunks are kept (default: /var/lib/rmcp as root, else ~/.cache/rmcp).' -rfa '(__rmcp_complete_directories)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" cache-size' -l 'cache-size' -d 'The room for chunks, such as 500M or 50G; the least recently used bundles give way (default: 20G).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" reserve' -l 'reserve' -d 'Leave this much of the cache\'s disk free, whatever --cache-size says (default: 0).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" region' -l 'region' -d 'The group in which it repairs (default: the one with the next address; with --upstream the group itself).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" region-interface' -l 'region-interface' -d 'The network interface towards its receivers (default: the upstream one).' -rfka '(ls /sys/class/net)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" region-ttl' -l 'region-ttl' -d 'The routers that its repairs may cross, plus one (default: 1).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" upstream' -l 'upstream' -d 'A sender or repair node to fetch everything from by unicast, and to relay into the region.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" key' -l 'key' -d 'This node\'s own key (default: ~/.config/rmcp/repair_ed25519; made at the first start).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" max-unicast-children' -l 'max-unicast-children' -d 'The most relays, and receivers without multicast, that are served by unicast (default: 8).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair"' -l 'trust' -d 'A public key whose bundles are taken, or a file with one key a line (repeatable; default: ~/.config/rmcp/trusted_keys).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" allow-unsigned' -l 'allow-unsigned' -d 'Take any bundle on the group, signed or not: refused by default.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" no-allow-unsigned' -l 'no-allow-unsigned' -d 'Switch --allow-unsigned off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" group-key' -l 'group-key' -d 'The group\'s key: bundles are sealed for its holders, and nothing else is taken (made by rmcp keygen --group).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair"' -l 'trust-repair' -d 'A public key of a repair node, or a file with one key a line (repeatable): no others are used (default: all are).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" config' -l 'config' -d 'A TOML file with options, in place of /etc/rmcp/config.toml and ~/.config/rmcp/config.toml: the same names, for one command under [recv] and the like.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'toml\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" check' -l 'check' -d 'Read keys and configuration, print the values in force and who gave them, and exit: with 2 when something is wrong.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" no-check' -l 'no-check' -d 'Switch --check off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" no-json' -l 'no-json' -d 'Switch --json off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" q quiet' -s 'q' -l 'quiet' -d 'Print errors only.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" no-quiet' -l 'no-quiet' -d 'Switch --quiet off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" v verbose' -s 'v' -l 'verbose' -d 'Print more: counters at the end, and what happens in between.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" no-verbose' -l 'no-verbose' -d 'Switch --verbose off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" metrics-listen' -l 'metrics-listen' -d 'Serve Prometheus metrics by HTTP at this address, such as 127.0.0.1:9464, [::1]:9464, or :9464 for all of the host\'s; port 0 takes a free one.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" g group' -s 'g' -l 'group' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" i interface' -s 'i' -l 'interface' -d 'The network interface (default: the one that routes to the group).' -rfka '(ls /sys/class/net)'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" once' -l 'once' -d 'Listen for two seconds, show what there is, and exit: with code 4 when nothing was heard.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" no-once' -l 'no-once' -d 'Switch --once off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch"' -l 'trust' -d 'A public key whose sessions are told from others, or a file with one key a line (repeatable; default: ~/.config/rmcp/trusted_keys).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" group-key' -l 'group-key' -d 'The group\'s key: bundles are sealed for its holders, and nothing else is taken (made by rmcp keygen --group).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" config' -l 'config' -d 'A TOML file with options, in place of /etc/rmcp/config.toml and ~/.config/rmcp/config.toml: the same names, for one command under [recv] and the like.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'toml\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" no-json' -l 'no-json' -d 'Switch --json off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" q quiet' -s 'q' -l 'quiet' -d 'Print errors only.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" no-quiet' -l 'no-quiet' -d 'Switch --quiet off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" v verbose' -s 'v' -l 'verbose' -d 'Print more: counters at the end, and what happens in between.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" no-verbose' -l 'no-verbose' -d 'Switch --verbose off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" color' -l 'color' -d 'Whether to draw in bold and colours: auto, which looks at the terminal, NO_COLOR and CLICOLOR_FORCE; always; or never (default: auto).' -rfka 'auto always never'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp keygen" -eq 1' -F
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" o output' -s 'o' -l 'output' -d 'Where the key goes (default: ~/.config/rmcp/id_ed25519; with --group: ~/.config/rmcp/group_key).' -rF
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" group' -l 'group' -d 'Make a group\'s key instead, for --group-key, and beside it FILE.control for repair nodes.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" no-group' -l 'no-group' -d 'Switch --group off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" no-json' -l 'no-json' -d 'Switch --json off.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp report" -eq 1' -fa '(set -l exts \'jsonl\' \'json\';for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.{$exts};printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp report" o output' -s 'o' -l 'output' -d 'Where the page goes, or \'-\' for standard output (default: beside the events, as .html; standard output for those that are read from there).' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'html\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp report" session' -l 'session' -d 'Which session of the file: its number, from 1 on, or the beginning of its id (default: the last one).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp report" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp report" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp help" version' -l 'version' -d 'Show the version.'

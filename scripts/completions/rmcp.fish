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
            __rmcp_parse_subcommand -r 1 'g/group=' 'i/interface=' 'config=' 'json' 'q/quiet' 'v/verbose' 'metrics=' 'ttl=' 'rate=' 'min-rate=' 'max-rate=' 'level=' 'wait-for=' 'min-wait=' 'max-wait=' 'linger=' 'until=' 'max-unicast-children=' 'key=' 'unsigned' 'name=' 'version' 'h/help'
        case 'recv'
            __rmcp_parse_subcommand 0 'g/group=' 'i/interface=' 'config=' 'json' 'q/quiet' 'v/verbose' 'metrics=' 'd/directory=' 'o/output=' 'once' 'trust=+' 'allow-unsigned' 'allow-rollback' 'exec=' 'exec-timeout=' 'again' 'timeout=' 'version' 'h/help'
        case 'repair'
            __rmcp_parse_subcommand 0 'g/group=' 'i/interface=' 'config=' 'json' 'q/quiet' 'v/verbose' 'metrics=' 'cache=' 'cache-size=' 'region=' 'region-interface=' 'region-ttl=' 'upstream=' 'max-unicast-children=' 'trust=+' 'allow-unsigned' 'version' 'h/help'
        case 'watch'
            __rmcp_parse_subcommand 0 'g/group=' 'i/interface=' 'config=' 'json' 'q/quiet' 'v/verbose' 'metrics=' 'once' 'trust=+' 'version' 'h/help'
        case 'keygen'
            __rmcp_parse_subcommand 0 'o/output=' 'version' 'h/help'
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
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'send' -d 'Push a file to every receiver of a group.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'recv' -d 'Receive bundles: a daemon, or once.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'repair' -d 'Answer losses near the receivers, from a cache.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'watch' -d 'Show the sessions of a group, their trees and how far everybody is.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'keygen' -d 'Make a signing key and print its public line.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_positional "rmcp" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" g group' -l 'group' -s 'g' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" i interface' -l 'interface' -s 'i' -d 'The interface (default: the one that routes to the group).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" config' -l 'config' -d 'Read options from a TOML file: the same names, at the top or under [send], [recv], [repair] and [watch].' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" q quiet' -l 'quiet' -s 'q' -d 'Say nothing but errors.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" v verbose' -l 'verbose' -s 'v' -d 'Say more: counters at the end, warnings as they come.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" ttl' -l 'ttl' -d 'Routers that the packets may cross, plus one (default: 1).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" rate' -l 'rate' -d 'Bits per second, such as 100M or 2.5G; or auto (default), which adapts.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" min-rate' -l 'min-rate' -d 'The least that auto goes down to (default: 1M).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" max-rate' -l 'max-rate' -d 'The most that auto goes up to (default: 100G).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" level' -l 'level' -d 'zstd level 1 to 19; 0 stores; auto (default) takes what the network and the cores leave time for.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" wait-for' -l 'wait-for' -d 'Start as soon as this many receivers have joined.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" min-wait' -l 'min-wait' -d 'Do not start before this (default: 2s).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" max-wait' -l 'max-wait' -d 'Start then with those who came, or exit 4 if none did (default: 30s).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" linger' -l 'linger' -d 'Stay for latecomers after the last known receiver is complete (default: 0s).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" until' -l 'until' -d 'Whom to stay for: \'receivers\' (default), all known ones; \'repair\', until the repair nodes have everything and serve on.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" max-unicast-children' -l 'max-unicast-children' -d 'Relays and receivers without multicast that are served by unicast (default: 8).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" key' -l 'key' -d 'The signing key (default: ~/.config/rmcp/id_ed25519, made on first use).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" unsigned' -l 'unsigned' -d 'Do not sign: only receivers with --allow-unsigned take the bundle.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" name' -l 'name' -d 'The bundle\'s name at the receivers (default: the path\'s last component).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp send" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" g group' -l 'group' -s 'g' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" i interface' -l 'interface' -s 'i' -d 'The interface (default: the one that routes to the group).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" config' -l 'config' -d 'Read options from a TOML file: the same names, at the top or under [send], [recv], [repair] and [watch].' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" q quiet' -l 'quiet' -s 'q' -d 'Say nothing but errors.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" v verbose' -l 'verbose' -s 'v' -d 'Say more: counters at the end, warnings as they come.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" d directory' -l 'directory' -s 'd' -d 'Where bundles land (default: .).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" o output' -l 'output' -s 'o' -d 'Write a single-file bundle exactly there: a file, a block device, or \'-\' (standard output).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" once' -l 'once' -d 'Exit after the first complete bundle (0), or the first that fails (3).'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv"' -l 'trust' -d 'Accept bundles signed by this public key (repeatable); a file has one key a line (default: ~/.config/rmcp/trusted_keys).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" allow-unsigned' -l 'allow-unsigned' -d 'Accept anything on the group: refused by default.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" allow-rollback' -l 'allow-rollback' -d 'Take bundles that are older than what has been received of the same name and key: refused by default (exit 5).'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" exec' -l 'exec' -d 'Run after each bundle, with RMCP_NAME, RMCP_PATH, RMCP_SIZE, RMCP_SESSION and RMCP_KEY in its environment.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" exec-timeout' -l 'exec-timeout' -d 'End that command if it takes longer (default: 10m); the bundle then counts as failed.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" again' -l 'again' -d 'Take sessions that this receiver has completed before: else none is taken twice.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" timeout' -l 'timeout' -d 'With --once: give up after this long without progress.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp recv" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" g group' -l 'group' -s 'g' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" i interface' -l 'interface' -s 'i' -d 'The interface (default: the one that routes to the group).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" config' -l 'config' -d 'Read options from a TOML file: the same names, at the top or under [send], [recv], [repair] and [watch].' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" q quiet' -l 'quiet' -s 'q' -d 'Say nothing but errors.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" v verbose' -l 'verbose' -s 'v' -d 'Say more: counters at the end, warnings as they come.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" cache' -l 'cache' -d 'Where it keeps chunks (default: /var/lib/rmcp as root, else ~/.cache/rmcp).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" cache-size' -l 'cache-size' -d 'Room for them, such as 500M or 50G (default: 20G); the least recently used bundles give way.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" region' -l 'region' -d 'The group in which it repairs (default: the one with the next address; with --upstream the group itself).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" region-interface' -l 'region-interface' -d 'The interface towards its receivers (default: the upstream one).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" region-ttl' -l 'region-ttl' -d 'Routers that its repairs may cross, plus one (default: 1).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" upstream' -l 'upstream' -d 'Fetch everything by unicast from this sender or repair node and relay it into the region.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" max-unicast-children' -l 'max-unicast-children' -d 'Relays and receivers without multicast that it serves by unicast (default: 8).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair"' -l 'trust' -d 'Keep bundles signed by this public key (repeatable); a file has one key a line (default: ~/.config/rmcp/trusted_keys).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" allow-unsigned' -l 'allow-unsigned' -d 'Keep anything on the group: refused by default.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp repair" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" g group' -l 'group' -s 'g' -d 'The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" i interface' -l 'interface' -s 'i' -d 'The interface (default: the one that routes to the group).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" config' -l 'config' -d 'Read options from a TOML file: the same names, at the top or under [send], [recv], [repair] and [watch].' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" json' -l 'json' -d 'Write one JSON object a line to standard output, for programs.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" q quiet' -l 'quiet' -s 'q' -d 'Say nothing but errors.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" v verbose' -l 'verbose' -s 'v' -d 'Say more: counters at the end, warnings as they come.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" metrics' -l 'metrics' -d 'Keep Prometheus metrics in this file, for node_exporter\'s textfile collector.' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" once' -l 'once' -d 'Listen for two seconds, show what there is, and exit: 4 when nothing was heard.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch"' -l 'trust' -d 'Tell sessions signed by this public key from others (repeatable); a file has one key a line (default: ~/.config/rmcp/trusted_keys).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp watch" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" o output' -l 'output' -s 'o' -d 'Where the private key goes (default: ~/.config/rmcp/id_ed25519).' -rfka ''
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" version' -l 'version' -d 'Show the version.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp keygen" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'rmcp' -n '__rmcp_should_offer_completions_for_flags_or_options "rmcp help" version' -l 'version' -d 'Show the version.'

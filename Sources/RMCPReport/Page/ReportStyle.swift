/// Looks of a report: on screens light and dark, narrow and wide, and on paper.
enum ReportStyle {
    static let sheet = """
        :root{--page:#f6f7f9;--card:#fff;--text:#1b1f27;--soft:#5b6472;--line:#dfe3e9;--faint:#eef0f3;--first:#2f6fde;--repair:#e08a1e;--catchup:#9a4fd0;\
        --complete:#16875f;--good:#16875f;--partial:#a96800;--bad:#c23a3a;--b0:#e4ecfb;--b1:#cfdef8;--b2:#b9cff4;--b3:#a2bff0;--b4:#8baeec;--b5:#739de7;\
        --b6:#5a8be1;--b7:#4479d6;--b8:#3368c3;--b9:#2557ab;--b10:#0f7f58}
        @media screen and (prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b2028;--text:#e7eaef;--soft:#9aa4b2;--line:#323a46;--faint:#262c36;\
        --first:#5b94f5;--repair:#f0a64a;--catchup:#b983e6;--complete:#3fc493;--good:#3fc493;--partial:#f0b04a;--bad:#f07a7a;--b0:#1f2a3d;--b1:#243553;\
        --b2:#29406a;--b3:#2e4b81;--b4:#345799;--b5:#3b64b0;--b6:#4472c6;--b7:#5282d9;--b8:#6896e8;--b9:#86adf3;--b10:#3fc493}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;\
        font-variant-numeric:tabular-nums;print-color-adjust:exact;-webkit-print-color-adjust:exact}
        main{max-width:1080px;margin:0 auto;padding:32px 20px 48px}
        header{margin-bottom:24px}
        .verdict{display:inline-block;font-size:13px;font-weight:650;letter-spacing:.02em;padding:3px 12px 3px 9px;border-radius:999px;border:1.5px solid}
        .verdict.good{color:var(--good)}.verdict.partial{color:var(--partial)}.verdict.bad{color:var(--bad)}
        h1{font-size:28px;line-height:1.2;font-weight:700;letter-spacing:-.015em;margin:12px 0 8px;overflow-wrap:anywhere}
        header p{margin:0 0 6px;max-width:70ch;font-size:17px;line-height:1.45}
        header .where,.note{color:var(--soft);font-size:13px;line-height:1.5;overflow-wrap:anywhere}
        section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px 22px 18px;margin:0 0 16px;break-inside:avoid}
        h2{font-size:17px;line-height:1.3;font-weight:650;margin:0 0 2px}
        section>p{margin:0 0 14px;color:var(--soft);font-size:14px;max-width:75ch}
        .figures{padding:0;overflow:hidden}\
        .tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:1px;background:var(--line)}
        .tiles div{background:var(--card);padding:15px 20px 14px}
        .tiles dt{color:var(--soft);font-size:13px}
        .tiles dd{margin:0;font-size:22px;line-height:1.3;font-weight:650;letter-spacing:-.01em;white-space:nowrap}
        .tiles dd+dd{font-size:13px;font-weight:400;color:var(--soft);letter-spacing:0;line-height:1.4;white-space:normal}
        dl{margin:0}
        figure{margin:6px 0 0}
        .plot{position:relative;height:220px;margin:0 8px 26px 70px}
        .plot svg{display:block;width:100%;height:100%;overflow:visible}
        .rows span{position:absolute;right:calc(100% + 9px);transform:translateY(50%);white-space:nowrap;font-size:12px;line-height:1;color:var(--soft)}
        .columns span{position:absolute;top:calc(100% + 9px);transform:translateX(-50%);white-space:nowrap;font-size:12px;line-height:1;color:var(--soft)}
        .columns .first{transform:none}.columns .last{transform:none}
        .flags{position:relative;margin:2px 8px 4px 70px}
        .flags span{position:absolute;transform:translateX(-50%);min-width:18px;height:18px;padding:0 4px;border-radius:9px;background:var(--text);\
        color:var(--card);font-size:11px;line-height:18px;font-weight:650;text-align:center}
        .grid{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke;fill:none}
        .grid.faint{stroke:var(--faint)}
        .fill.first{fill:var(--first)}.fill.repair{fill:var(--repair)}.fill.catchup{fill:var(--catchup)}
        \((0...10).map { ".fill.b\($0){fill:var(--b\($0))}.legend .b\($0){background:var(--b\($0))}" }.joined())
        .line{fill:none;stroke-width:2.25;stroke-linejoin:round;vector-effect:non-scaling-stroke}
        .line.complete,.dot.complete{stroke:var(--complete)}
        .line.loss0{stroke:var(--first)}.line.loss1{stroke:var(--repair);stroke-dasharray:7 4}.line.loss2{stroke:var(--bad);stroke-dasharray:2 4}
        .dot{fill:none;stroke-width:9;stroke-linecap:round;vector-effect:non-scaling-stroke}
        .rule{fill:none;vector-effect:non-scaling-stroke;stroke:var(--text);stroke-width:1;stroke-dasharray:3 3;opacity:.55}
        .rule.guide{stroke:var(--soft)}
        .tip{fill:transparent}.tip:hover{fill:var(--text);fill-opacity:.08}
        .legend{display:flex;flex-wrap:wrap;gap:3px 18px;list-style:none;margin:0 0 0 70px;padding:0;font-size:13px;color:var(--soft)}
        .legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px;vertical-align:-1px}
        .legend .first{background:var(--first)}.legend .repair{background:var(--repair)}.legend .catchup{background:var(--catchup)}
        .legend [class^=loss]{height:0;width:24px;border-radius:0;vertical-align:4px;border-top:3px solid var(--first)}
        .legend .loss1{border-top:3px dashed var(--repair)}.legend .loss2{border-top:3px dotted var(--bad)}
        .events{columns:2 300px;column-gap:32px;margin:14px 0 0;padding-left:26px;font-size:13.5px}
        .events li{break-inside:avoid;margin-bottom:2px;padding-left:3px}.events li::marker{font-weight:650}
        .events span{color:var(--soft);display:inline-block;min-width:52px}
        .percentiles{display:flex;flex-wrap:wrap;gap:6px 34px;margin:16px 0 0 70px;font-size:13px}
        .percentiles dt{color:var(--soft)}.percentiles dd{margin:0;font-size:17px;font-weight:650}
        .scroll{overflow-x:auto;margin:8px -4px 0;padding:0 4px}
        table{border-collapse:collapse;width:100%;font-size:14px}
        th{text-align:left;font-weight:600;color:var(--soft);font-size:12.5px}
        th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
        tr:last-child td{border-bottom:0}th:last-child,td:last-child{padding-right:0}
        .n{text-align:right;white-space:nowrap}
        td.key{white-space:nowrap;font-weight:550}
        td.text{overflow-wrap:anywhere}.option{white-space:nowrap}
        .bar{width:30%;min-width:70px;padding-top:12px}.limits .bar{width:17%}.limits .key{min-width:150px}
        .bar i{display:block;height:9px;border-radius:2px;background:var(--first);min-width:2px}
        .bar.good i{background:var(--good)}.bar.bad i{background:var(--bad)}.bar.partial i{background:var(--partial)}
        code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
        footer{color:var(--soft);font-size:13px;margin-top:22px}
        @media(max-width:900px){.tiles{grid-template-columns:repeat(3,1fr)}}\
        @media(max-width:560px){main{padding:20px 12px 32px}section{padding:16px 14px 14px}section.figures{padding:0}.tiles{grid-template-columns:1fr 1fr}\
        .tiles div{padding:11px 14px}.tiles dd{font-size:20px}h1{font-size:23px}header p{font-size:15.5px}.plot{height:180px;margin-left:58px}\
        .flags,.legend,.percentiles{margin-left:58px}.percentiles{gap:6px 20px}.legend{gap:3px 14px}.bar{width:18%;min-width:44px}td,th{padding-right:10px}\
        .limits tr{display:grid;grid-template-columns:1fr auto auto;}.limits td{border:0;padding:2px 10px 2px 0}.limits td.text{grid-column:1/-1;padding-bottom:9px}\
        .limits .bar{display:none}.limits thead{display:none}}
        @media print{@page{margin:14mm}body{background:#fff;font-size:10pt}main{max-width:none;padding:0 1px}section{border-color:#ccc;padding:12px 16px;margin-bottom:10px}\
        .plot{height:150px}section.long{break-inside:auto}figure,tr,.events li{break-inside:avoid}h2,section>p{break-after:avoid}header p{font-size:12pt}header .where{font-size:9pt}.tiles{grid-template-columns:repeat(3,1fr)}.figures{padding:0}\
        table,section>p{font-size:9.5pt}}
        """
}
